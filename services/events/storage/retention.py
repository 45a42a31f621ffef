"""How long an organisation keeps its events."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import retention


async def get(session: AsyncSession, organization_id: UUID) -> int | None:
    """Days, if the organisation chose."""
    days: int | None = await session.scalar(
        sa.select(retention.c.days).where(retention.c.organization_id == organization_id)
    )
    return days


async def put(session: AsyncSession, organization_id: UUID, days: int, now: datetime) -> None:
    """Stores the choice."""
    values = {"days": days, "changed_at": now}
    statement = insert(retention).values(organization_id=organization_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["organization_id"], set_=values))
