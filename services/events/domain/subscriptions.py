"""Triggers of workflows: which events each wants to hear of."""

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import subscriptions

FIELDS = ("source", "type", "subject")
_GLOB = frozenset("*?[")


async def put(
    session: AsyncSession,
    *,
    trigger_id: UUID,
    organization_id: UUID,
    workflow_id: UUID,
    match: dict[str, str | None],
    active: bool,
    revision: int,
    changed_at: datetime,
) -> None:
    """Stores a trigger as it now stands; what happened since the change is matched as well."""
    await subscriptions.put(
        session,
        trigger_id=trigger_id,
        organization_id=organization_id,
        workflow_id=workflow_id,
        **{name: match.get(name) for name in FIELDS},
        active=active,
        revision=revision,
        changed_at=changed_at,
        catch_up_from=changed_at if active else None,
    )


def wants(subscription: Any, event: Any) -> bool:
    """Whether the event came since the trigger's last change and is one that it waits for."""
    return event.received_at >= subscription.changed_at and fits(subscription, event)


def fits(subscription: Any, event: Any) -> bool:
    """Whether every field that the subscription names fits the event."""
    return all(_fits(getattr(subscription, name), getattr(event, name)) for name in FIELDS)


def _fits(wanted: str | None, value: str | None) -> bool:
    if wanted is None or wanted == value:
        return True
    return value is not None and not _GLOB.isdisjoint(wanted) and fnmatchcase(value, wanted)
