"""Items of batches and uploads that were refused, kept for a week."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import rejection
from shared import clock

KEPT_A_BATCH = 100


async def insert(session: AsyncSession, organization_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Stores the first rejections of a batch: {id, job_id, index, type, detail}."""
    if not rows:
        return
    now = clock.now()
    values = [{**row, "organization_id": organization_id, "received_at": now} for row in rows[:KEPT_A_BATCH]]
    await session.execute(sa.insert(rejection), values)


async def page(session: AsyncSession, organization_id: UUID, before: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """An organisation's rejections, newest first, older than `before`."""
    query = sa.select(rejection).where(rejection.c.organization_id == organization_id)
    if before is not None:
        query = query.where(rejection.c.id < before)
    return (await session.execute(query.order_by(rejection.c.id.desc()).limit(limit))).all()


async def purge(session: AsyncSession, before: datetime) -> None:
    """Deletes what was kept long enough."""
    await session.execute(sa.delete(rejection).where(rejection.c.received_at < before))
