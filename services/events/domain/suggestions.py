"""Suggestions: shown, applied, dismissed, bookmarked."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.clients import workflows
from services.events.domain import signals
from services.events.domain.signals import Signals
from services.events.storage import suggestions
from shared import clock, errors
from shared.service import Service


async def get(session: AsyncSession, organization_id: UUID, suggestion_id: UUID) -> dict[str, Any]:
    """One suggestion; raises NotFound."""
    return render(await _find(session, organization_id, suggestion_id))


async def page(
    session: AsyncSession, organization_id: UUID, status: str | None, below: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """Suggestions below a sort key, best first, one more than the limit when more follow."""
    key = None if below is None else (float(below[0]), UUID(below[1]))
    return [render(row) for row in await suggestions.page(session, organization_id, status, key, limit + 1)]


def sort_key(suggestion: dict[str, Any]) -> list[Any]:
    """What a cursor holds of the last suggestion shown."""
    return [suggestion["score"], str(suggestion["id"])]


async def apply(
    service: Service, organization_id: UUID, suggestion_id: UUID, user_id: UUID | None
) -> tuple[UUID, bool]:
    """The suggestion's workflow, made inactive if it is not there yet, and whether this call made it.

    Raises NotFound. The call to workflows runs with no transaction open; its origin makes repeating it harmless.
    """
    async with service.database.session(organization_id) as session:
        found = await _find(session, organization_id, suggestion_id)
    if found.workflow_id is not None:
        return found.workflow_id, False
    workflow_id = await workflows.create(
        service.siblings, organization_id, found.workflow, suggestion_id=suggestion_id, user_id=user_id
    )
    async with service.database.session(organization_id) as session:
        first = await suggestions.change(
            session, suggestion_id, clock.now(), unless=("applied",), status="applied", workflow_id=workflow_id
        )
    service.part(Signals).announce(signals.SUGGESTIONS, str(suggestion_id))
    return workflow_id, first


async def mark(service: Service, organization_id: UUID, suggestion_id: UUID, status: str) -> None:
    """Dismisses or bookmarks; raises NotFound, or Conflict when it is applied."""
    async with service.database.session(organization_id) as session:
        await _find(session, organization_id, suggestion_id)
        changed = await suggestions.change(session, suggestion_id, clock.now(), unless=("applied",), status=status)
        if not changed:
            raise errors.Conflict("suggestion-applied", "This suggestion has become a workflow.")
    service.part(Signals).announce(signals.SUGGESTIONS, str(suggestion_id))


async def _find(session: AsyncSession, organization_id: UUID, suggestion_id: UUID) -> Row[Any]:
    row = await suggestions.find(session, organization_id, suggestion_id)
    if row is None:
        raise errors.NotFound
    return row


def render(row: Row[Any]) -> dict[str, Any]:
    """A suggestion as the API shows it."""
    shown = (
        "id", "pattern_id", "title", "reasoning", "confidence", "minutes_per_week", "workflow", "evidence", "backtest",
        "status", "workflow_id", "created_at", "score",
    )  # fmt: skip
    return {name: getattr(row, name) for name in shown}
