"""The audit log: who did what, written in the transaction that does it."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage import audit as rows
from shared import clock, ids, tracing


async def record(
    session: AsyncSession, organization_id: UUID, actor: str, action: str, target: str, **details: Any
) -> None:
    """Adds `actor` (`user:<id>`) did `action` (`member.removed`) to `target`; details hold ids and names of fields."""
    await rows.append(
        session,
        id=ids.new(),
        organization_id=organization_id,
        actor=actor,
        action=action,
        target=target,
        details=details,
        trace_id=tracing.trace_id(),
        at=clock.now(),
    )


def user(user_id: UUID) -> str:
    """How a person stands in the log."""
    return f"user:{user_id}"


async def page(
    session: AsyncSession, organization_id: UUID, before: UUID | None, limit: int, filters: dict[str, str]
) -> list[Any]:
    """Entries of an organisation, the newest first, with exact values of `actor`, `action`, `target`."""
    return await rows.page(session, organization_id, before, limit, **filters)
