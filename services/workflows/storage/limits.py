"""Concurrency limits: how many runs share a key, and letting go those that were held back."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import run
from shared.database import Database

_ANY_HELD = "SELECT true FROM run WHERE held ORDER BY workflow_id, concurrency_key LIMIT 1"
_MAY_GO = sa.func.coalesce(run.c.not_before, sa.func.clock_timestamp()) <= sa.func.clock_timestamp()
_ROOMY = sa.text(
    """
    SELECT held.workflow_id, held.concurrency_key FROM run held
     WHERE held.held AND coalesce(held.not_before, clock_timestamp()) <= clock_timestamp()
     GROUP BY held.workflow_id, held.concurrency_key
    HAVING (SELECT count(*) FROM run busy
             WHERE busy.workflow_id = held.workflow_id AND busy.concurrency_key = held.concurrency_key
               AND busy.finished_at IS NULL AND NOT busy.held) < max(held.concurrency_limit)
     LIMIT :most
    """
)
_LOCK = "hashtextextended(CAST(:workflow_id AS text) || ':' || CAST(:key AS text), 0)"


async def lock(session: AsyncSession, workflow_id: UUID, key: str) -> None:
    """Be the only one to decide about a key until the transaction ends."""
    await session.execute(
        sa.text(f"SELECT pg_advisory_xact_lock({_LOCK})"), {"workflow_id": str(workflow_id), "key": key}
    )


async def under_way(session: AsyncSession, workflow_id: UUID, key: str) -> list[UUID]:
    """The unfinished runs with a key that are not held back, oldest first."""
    statement = (
        sa.select(run.c.id)
        .where(
            run.c.workflow_id == workflow_id,
            run.c.concurrency_key == key,
            run.c.finished_at.is_(None),
            run.c.held.is_(False),
        )
        .order_by(run.c.id)
    )
    return list((await session.execute(statement)).scalars())


async def any_held(database: Database) -> bool:
    """Whether any run is held back."""
    return bool(await database.look(_ANY_HELD))


async def held_keys(session: AsyncSession, most: int) -> list[Any]:
    """Keys that hold runs back although there is room: (workflow, key); full ones are in nobody's way."""
    return list(await session.execute(_ROOMY, {"most": most}))


async def let_go(session: AsyncSession, workflow_id: UUID, key: str) -> int:
    """Make as many held runs due as the limit has room for, oldest first; answers how many."""
    await lock(session, workflow_id, key)
    busy = len(await under_way(session, workflow_id, key))
    held = sa.select(run.c.id, run.c.concurrency_limit).where(
        run.c.workflow_id == workflow_id, run.c.concurrency_key == key, run.c.held, _MAY_GO
    )
    waiting = list(await session.execute(held.order_by(run.c.id).limit(1_000)))
    ready = [row.id for index, row in enumerate(waiting) if busy + index < row.concurrency_limit]
    if ready:
        await session.execute(
            sa.update(run).where(run.c.id.in_(ready), run.c.held).values(held=False, due_at=sa.func.clock_timestamp())
        )
    return len(ready)
