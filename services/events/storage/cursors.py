"""Where each consumer of the event log stands, and which process reads for it."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.log import Position
from services.events.storage.tables import cursor
from shared.database import Database

LEASE = timedelta(seconds=10)
_NOW = sa.func.clock_timestamp()

# What a tail may not yet read counts too: it is what somebody holds back.
_BEHIND = sa.text("""
SELECT extract(epoch FROM clock_timestamp() - received_at)::float FROM event
WHERE (epoch, xid, sequence) > (:epoch, :xid, :sequence) ORDER BY epoch, xid, sequence LIMIT 1
""")
_MOVE = """
UPDATE cursor SET epoch = $3, xid = $4, sequence = $5, leased_until = clock_timestamp() + $6::interval
WHERE consumer = $1 AND token = $2 RETURNING true
"""
_HOLDER = sa.text("""
SELECT datname AS database, application_name AS instance, pid FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY age(backend_xid) DESC LIMIT 1
""")


async def take(session: AsyncSession, consumer: str) -> tuple[int, Position] | None:
    """A fencing token and the position, unless another process reads for this consumer."""
    first = insert(cursor).values(consumer=consumer, epoch=0, xid=0, sequence=0, leased_until=_NOW)
    await session.execute(first.on_conflict_do_nothing())
    statement = (
        sa.update(cursor)
        .where(cursor.c.consumer == consumer, cursor.c.leased_until <= _NOW)
        .values(token=cursor.c.token + 1, leased_until=_NOW + LEASE)
        .returning(cursor.c.token, cursor.c.epoch, cursor.c.xid, cursor.c.sequence)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row.token, Position(row.epoch, row.xid, row.sequence))


async def move(session: AsyncSession, consumer: str, token: int, position: Position) -> bool:
    """Commits a position and renews the lease; False when another process took over."""
    statement = (
        sa.update(cursor)
        .where(cursor.c.consumer == consumer, cursor.c.token == token)
        .values(**position._asdict(), leased_until=_NOW + LEASE)
    )
    return bool((await session.execute(statement.returning(cursor.c.token))).one_or_none())


async def move_alone(database: Database, consumer: str, token: int, position: Position) -> bool:
    """As `move`, where nothing else is to be committed with it."""
    return bool(await database.look(_MOVE, consumer, token, *position, LEASE))


async def release(session: AsyncSession, consumer: str, token: int) -> None:
    """Lets another process read at once."""
    statement = sa.update(cursor).where(cursor.c.consumer == consumer, cursor.c.token == token)
    await session.execute(statement.values(leased_until=_NOW))


async def interrupt(session: AsyncSession, consumer: str) -> Position:
    """Holds the consumer where it stands until the transaction ends; what it has read but not committed it reads anew.

    START when it never moved.
    """
    statement = (
        sa.update(cursor)
        .where(cursor.c.consumer == consumer)
        .values(token=cursor.c.token + 1, leased_until=_NOW)
        .returning(cursor.c.epoch, cursor.c.xid, cursor.c.sequence)
    )
    row = (await session.execute(statement)).one_or_none()
    return Position(0, 0, 0) if row is None else Position(*row)


async def standings(session: AsyncSession) -> dict[str, Position]:
    """Every consumer's position."""
    rows = await session.execute(sa.select(cursor))
    return {row.consumer: Position(row.epoch, row.xid, row.sequence) for row in rows}


async def seconds_behind(session: AsyncSession, position: Position) -> float:
    """How long the first event after a position has been there, 0 when there is none."""
    found: float | None = await session.scalar(_BEHIND, position._asdict())
    return found or 0.0


async def holder(session: AsyncSession) -> dict[str, Any] | None:
    """{database, instance, pid} of the oldest transaction of the cluster that writes, or None."""
    row = (await session.execute(_HOLDER)).mappings().one_or_none()
    return None if row is None else dict(row)
