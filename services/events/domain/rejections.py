"""What was refused of batches and uploads."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import rejections


async def page(
    session: AsyncSession, organization_id: UUID, below: Sequence[str] | None, limit: int
) -> list[dict[str, Any]]:
    """Refused items, newest first, one more than the limit when more follow."""
    before = None if below is None else UUID(below[0])
    rows = await rejections.page(session, organization_id, before, limit + 1)
    return [dict(row._mapping) for row in rows]  # noqa: SLF001  # SQLAlchemy's public name for it


def sort_key(rejection: dict[str, Any]) -> list[Any]:
    """What a cursor holds of the last item shown."""
    return [str(rejection["id"])]
