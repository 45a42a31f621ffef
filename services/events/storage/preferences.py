"""How an organisation wants its events to be mined."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import mining_setting


async def get(session: AsyncSession, organization_id: UUID) -> dict[str, Any]:
    """What was chosen, empty if nothing."""
    query = sa.select(mining_setting.c.settings).where(mining_setting.c.organization_id == organization_id)
    return dict(await session.scalar(query) or {})


async def put(session: AsyncSession, organization_id: UUID, settings: dict[str, Any], now: datetime) -> None:
    """Replaces what was chosen."""
    values = {"settings": settings, "changed_at": now}
    statement = insert(mining_setting).values(organization_id=organization_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["organization_id"], set_=values))
