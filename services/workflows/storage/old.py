"""Rows that have served their time, deleted a few thousand at a time."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import awaited, firing, idempotency_key, inbox, pacing

BATCH = 5_000


async def purge(session: AsyncSession, *, firings: datetime, keys: datetime, paces: datetime) -> None:
    """Delete firings and inbox entries before one moment, idempotency keys and answers before another, old paces."""
    await _purge(session, firing, firing.c.fired_at < firings)
    await _purge(session, inbox, inbox.c.received_at < firings)
    await _purge(session, idempotency_key, idempotency_key.c.created_at < keys)
    await _purge(session, awaited, sa.and_(awaited.c.due_at.is_(None), awaited.c.changed_at < keys))
    await _purge(session, pacing, pacing.c.until < paces)


async def _purge(session: AsyncSession, table: sa.Table, condition: "sa.ColumnElement[bool]") -> None:
    key = sa.tuple_(*table.primary_key.columns)
    chosen = sa.select(*table.primary_key.columns).where(condition).limit(BATCH)
    await session.execute(sa.delete(table).where(key.in_(chosen)))
