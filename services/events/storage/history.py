"""What the miner has read of an organisation's log: packed columns in chunks, and the position behind the last.

Events that runs have emitted are left out: nobody did them by hand.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.log import IN_ORDER, Position
from services.events.storage.tables import mining_chunk, mining_state
from shared import clock

LARGEST_DATA = 8_192
_START = Position(0, 0, 0)

# A row below the oldest open transaction is settled: none can come before it any more.
_AFTER = f"""
SELECT id, actor, source, type, subject,
       CASE WHEN pg_column_size(data) < {LARGEST_DATA} THEN data::text END AS data,
       extract(epoch FROM time)::float8 AS seconds, epoch, xid, sequence,
       (epoch, xid, sequence) < ((SELECT max(epoch) FROM log_epoch),
                                 pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 0::bigint) AS settled
FROM event WHERE organization_id = :organization_id AND (epoch, xid, sequence) > (:epoch, :xid, :sequence)
  AND extensions->>'floyorun' IS NULL
ORDER BY epoch, xid, sequence LIMIT :limit
"""  # noqa: S608

_FROM = """
SELECT epoch, xid, sequence FROM event WHERE organization_id = :organization_id
ORDER BY epoch DESC, xid DESC, sequence DESC OFFSET :most LIMIT 1
"""


async def begin(session: AsyncSession, organization_id: UUID, most: int) -> tuple[Position, int]:
    """Where reading goes on and the next chunk's number; the first time so far back that `most` events follow."""
    held = await session.execute(sa.select(mining_state).where(mining_state.c.organization_id == organization_id))
    row = held.one_or_none()
    if row is None:
        await session.execute(text(IN_ORDER))
        given = {"organization_id": organization_id, "most": most}
        found = (await session.execute(text(_FROM), given)).one_or_none()
        start = _START if found is None else Position(*found)
        values = {"organization_id": organization_id, **start._asdict(), "next_number": 0, "changed_at": clock.now()}
        await session.execute(insert(mining_state).values(**values, summary={}))
        return start, 0
    return Position(row.epoch, row.xid, row.sequence), row.next_number


async def after(session: AsyncSession, organization_id: UUID, position: Position, limit: int) -> Sequence[Row[Any]]:
    """Rows (id, actor, source, type, subject, data, seconds, epoch, xid, sequence, settled) in the log's order;
    `data` as text, unless it is large."""
    await session.execute(text(IN_ORDER))
    given = {"organization_id": organization_id, **position._asdict(), "limit": limit}
    return (await session.execute(text(_AFTER), given)).all()


async def append(
    session: AsyncSession, organization_id: UUID, *, before: Position, position: Position, number: int, events: int,
    body: bytes,
) -> bool:  # fmt: skip
    """Stores a chunk, in place of one with its number, and moves the position from `before`; False, and nothing
    stored, when what was read has been forgotten or moved meanwhile."""
    moved = (
        sa.update(mining_state)
        .where(
            mining_state.c.organization_id == organization_id,
            *(mining_state.c[name] == value for name, value in before._asdict().items()),
        )
        .values(**position._asdict(), next_number=number + 1, changed_at=clock.now())
    )
    if (await session.execute(moved.returning(mining_state.c.next_number))).one_or_none() is None:
        return False
    values = {"events": events, "body": body}
    chunk = insert(mining_chunk).values(organization_id=organization_id, number=number, **values)
    await session.execute(chunk.on_conflict_do_update(index_elements=["organization_id", "number"], set_=values))
    return True


async def last(session: AsyncSession, organization_id: UUID) -> Any:
    """The newest chunk (number, events, body), or None."""
    query = sa.select(mining_chunk.c.number, mining_chunk.c.events, mining_chunk.c.body).where(
        mining_chunk.c.organization_id == organization_id
    )
    return (await session.execute(query.order_by(mining_chunk.c.number.desc()).limit(1))).one_or_none()


async def bound(session: AsyncSession, organization_id: UUID, most: int) -> list[int]:
    """Deletes the oldest chunks as long as the others hold `most` events; the numbers of those kept, oldest first."""
    query = sa.select(mining_chunk.c.number, mining_chunk.c.events).where(
        mining_chunk.c.organization_id == organization_id
    )
    kept: list[int] = []
    total = 0
    for row in await session.execute(query.order_by(mining_chunk.c.number.desc())):
        if total < most:
            kept.insert(0, row.number)
        total += row.events
    oldest = kept[0] if kept else 0
    await session.execute(
        sa.delete(mining_chunk).where(mining_chunk.c.organization_id == organization_id, mining_chunk.c.number < oldest)
    )
    return kept


async def bodies(session: AsyncSession, organization_id: UUID, numbers: Sequence[int]) -> AsyncIterator[bytes]:
    """Chunks one by one."""
    for number in numbers:
        query = sa.select(mining_chunk.c.body).where(
            mining_chunk.c.organization_id == organization_id, mining_chunk.c.number == number
        )
        body: bytes | None = await session.scalar(query)
        if body is not None:
            yield body


async def forget(session: AsyncSession, organizations: Sequence[UUID]) -> None:
    """Lets the next mining read anew; one that is under way starts over."""
    for table in (mining_state, mining_chunk):
        await session.execute(sa.delete(table).where(table.c.organization_id.in_(organizations)))


async def summarise(session: AsyncSession, organization_id: UUID, summary: dict[str, Any]) -> None:
    """Keeps what the last mining said of itself."""
    statement = sa.update(mining_state).where(mining_state.c.organization_id == organization_id)
    await session.execute(statement.values(summary=summary))


async def summary(session: AsyncSession, organization_id: UUID) -> dict[str, Any] | None:
    """What the last mining said of itself; None when there was none since anything was forgotten."""
    query = sa.select(mining_state.c.summary).where(mining_state.c.organization_id == organization_id)
    found: dict[str, Any] | None = await session.scalar(query)
    return found
