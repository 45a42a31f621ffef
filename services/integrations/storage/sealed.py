"""Every table that holds sealed secrets, seen as one, for the rotation of keys (system role)."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.storage.tables import hook, integration, webhook

TABLES: Final = (integration, hook, webhook)
Row = RowMapping


async def stale(
    session: AsyncSession, table: sa.Table, newest: str, *, after: UUID | None, limit: int
) -> Sequence[Row]:
    """Rows sealed with another key than the newest, by id, locked; those that another rotation holds are left to it."""
    statement = sa.select(table.c.id, table.c.organization_id, table.c.key_id, table.c.sealed)
    statement = statement.where(table.c.key_id.is_not(None), table.c.key_id != newest)
    statement = statement if after is None else statement.where(table.c.id > after)
    statement = statement.order_by(table.c.id).limit(limit).with_for_update(skip_locked=True)
    rows: Sequence[Row] = (await session.execute(statement)).mappings().all()
    return rows


async def reseal(session: AsyncSession, table: sa.Table, rows: Sequence[tuple[UUID, str, bytes]]) -> None:
    """Replace the sealed bytes of locked rows: (id, key id, sealed)."""
    statement = sa.update(table).where(table.c.id == sa.bindparam("row"))
    statement = statement.values(key_id=sa.bindparam("key"), sealed=sa.bindparam("bytes"))
    await session.execute(statement, [dict(zip(("row", "key", "bytes"), row, strict=True)) for row in rows])


async def count_stale(session: AsyncSession, newest: str) -> int:
    """How many rows are not sealed with the newest key."""
    total = 0
    for table in TABLES:
        where = sa.and_(table.c.key_id.is_not(None), table.c.key_id != newest)
        total += (await session.execute(sa.select(sa.func.count()).select_from(table).where(where))).scalar_one()
    return total
