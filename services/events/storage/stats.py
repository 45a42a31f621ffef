"""Counters by day and type or actor, kept by the consumer `stats`."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import log
from services.events.storage.log import Position
from services.events.storage.tables import stat

Key = tuple[UUID, date, str, str]
COLUMNS = ("organization_id", "day", "dimension", "value")


async def add(session: AsyncSession, counts: Mapping[Key, int]) -> None:
    """Adds to counters, or subtracts what is negative, in the order of their keys so that nobody deadlocks."""
    rows = [{**dict(zip(COLUMNS, key, strict=True)), "count": counts[key]} for key in sorted(counts) if counts[key]]
    for start in range(0, len(rows), 1_000):
        statement = insert(stat).values(rows[start : start + 1_000])
        statement = statement.on_conflict_do_update(
            index_elements=list(COLUMNS), set_={"count": stat.c["count"] + statement.excluded["count"]}
        )
        await session.execute(statement)
    lowered = {key[0] for key, count in counts.items() if count < 0}
    if lowered:  # a counter of nothing would still say whose it was
        empty = (stat.c.organization_id.in_(lowered), stat.c["count"] == 0)
        await session.execute(sa.delete(stat).where(*empty))


# The stretch is read by itself, in the order of its index: a planner that is told not to sort would otherwise group by
# an index of all the log, and read it whole for each stretch. It is counted once, before it is told apart three ways.
_COUNT = """
WITH stretch AS MATERIALIZED (
    SELECT organization_id, time, type, actor FROM event
    WHERE (epoch, xid, sequence) > (:epoch, :xid, :sequence)
      AND (epoch, xid, sequence) <= (:upto_epoch, :upto_xid, :upto_sequence)
    ORDER BY epoch, xid, sequence
), counted AS MATERIALIZED (
    SELECT organization_id, (time AT TIME ZONE 'UTC')::date AS day, type, actor, count(*) AS number
    FROM stretch GROUP BY 1, 2, 3, 4
)
INSERT INTO stat (organization_id, day, dimension, value, count)
SELECT organization_id, day, kind.dimension, kind.value, sum(number)
FROM counted CROSS JOIN LATERAL (VALUES ('total', ''), ('type', type), ('actor', actor)) AS kind (dimension, value)
WHERE kind.value IS NOT NULL
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (organization_id, day, dimension, value) DO UPDATE SET count = stat.count + excluded.count
"""


async def count(session: AsyncSession, after: Position, upto: Position) -> None:
    """Counts the events of a stretch of the log, in the order of the counters' keys so that nobody deadlocks."""
    await log.read_in_order(session)
    bounds = {f"upto_{name}": value for name, value in upto._asdict().items()}
    await session.execute(sa.text(_COUNT), {**after._asdict(), **bounds})


async def sums(
    session: AsyncSession,
    organization_id: UUID,
    dimension: str,
    *,
    by: str,
    span: tuple[date | None, date | None],
    limit: int,
) -> list[tuple[Any, int]]:
    """(name, count) of a dimension by `day` or `value`, over days from and up to, both included."""
    column = stat.c[by]
    total = sa.func.sum(stat.c["count"])
    query = sa.select(column, total).where(stat.c.organization_id == organization_id, stat.c.dimension == dimension)
    if span[0] is not None:
        query = query.where(stat.c.day >= span[0])
    if span[1] is not None:
        query = query.where(stat.c.day <= span[1])
    order = column if by == "day" else total.desc()
    query = query.group_by(column).having(total > 0).order_by(order, column).limit(limit)
    return [(name, int(number)) for name, number in await session.execute(query)]
