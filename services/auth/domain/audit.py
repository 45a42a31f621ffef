"""The audit log: who did what, written in the transaction that does it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage import audit as rows
from services.auth.storage import organizations
from shared import clock, ids, tracing

# Acts of the operator that concern no organisation stand under this one, which nobody belongs to.
PLATFORM = UUID(int=0)
OPERATOR = "operator"


async def record(
    session: AsyncSession, organization_id: UUID, actor: str, action: str, target: str, **details: Any
) -> None:
    """Adds `actor` (`user:<id>`) did `action` (`member.removed`) to `target`; details hold ids and names of fields."""
    what = {"actor": actor, "action": action, "target": target, "details": details, "address": tracing.address()}
    await keep(session, organization_id, at=clock.now(), what=what)


async def note(session: AsyncSession, user_id: UUID, action: str, **details: Any) -> None:
    """Adds what a person did or met with outside any organisation to the log of the first one they belong to."""
    for organization in (await organizations.list_of_user(session, user_id))[:1]:
        await record(session, organization.id, user(user_id), action, str(user_id), **details)


async def keep(session: AsyncSession, organization_id: UUID, *, at: datetime, what: Mapping[str, Any]) -> None:
    """Adds {actor, action, target, details, address}, done at a moment, here or in another service."""
    await rows.append(
        session, id=ids.new(), organization_id=organization_id, trace_id=tracing.trace_id(), at=at, **what
    )


def user(user_id: UUID) -> str:
    """How a person stands in the log."""
    return f"user:{user_id}"


async def page(
    session: AsyncSession, organization_id: UUID, before: UUID | None, limit: int, filters: dict[str, str]
) -> list[Any]:
    """Entries of an organisation, the newest first, with exact values of `actor`, `action`, `target`."""
    return await rows.page(session, organization_id, before, limit, **filters)
