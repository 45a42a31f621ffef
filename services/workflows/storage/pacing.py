"""What throttled and debounced workflows remember of earlier starts, by key; whoever asks holds the key's lock."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import pacing, run

_RENEWED = ("version", "trigger", "event", "input", "cause", "depth", "trace_id")


async def get(session: AsyncSession, workflow_id: UUID, key: str) -> Any | None:
    """What is remembered of a key, or None."""
    statement = sa.select(pacing).where(pacing.c.workflow_id == workflow_id, pacing.c.key == key)
    return (await session.execute(statement)).first()


async def keep(session: AsyncSession, values: dict[str, Any]) -> None:
    """Remember the starts of a key, and the run that still takes events up, until a moment."""
    statement = insert(pacing).values(**values)
    changed = {name: statement.excluded[name] for name in ("starts", "run_id", "until")}
    await session.execute(statement.on_conflict_do_update(index_elements=["workflow_id", "key"], set_=changed))


async def renew(
    session: AsyncSession, organization_id: UUID, run_id: UUID, values: dict[str, Any], seconds: float
) -> bool:
    """Let a run that nobody has begun start later and from something newer; False when it has begun or ended."""
    later = after(seconds)
    statement = (
        sa.update(run)
        .where(run.c.organization_id == organization_id, run.c.id == run_id)
        .where(run.c.status == "queued", run.c.lease_token == 0)
        .values(**{name: values[name] for name in _RENEWED})
        .values(not_before=later, due_at=sa.case((run.c.held, None), else_=later))
    )
    return (await session.execute(statement.returning(run.c.id))).first() is not None


def after(seconds: float) -> Any:
    """A moment from now on, by the database's clock, which runs come due by."""
    return sa.func.clock_timestamp() + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)
