"""Approvals and who decided what."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import approval, approval_decision, run, run_step


async def open_or_find(session: AsyncSession, values: dict[str, Any]) -> tuple[Any, bool]:
    """The approval of one step of one run, made when it is first asked for; True when that was now."""
    present = approval.c.superseded_at.is_(None)
    statement = (
        insert(approval)
        .values(status="open", **values)
        .on_conflict_do_nothing(index_elements=["run_id", "key"], index_where=present)
    )
    opened = (await session.execute(statement.returning(approval.c.id))).first() is not None
    found = sa.select(approval).where(approval.c.run_id == values["run_id"], approval.c.key == values["key"], present)
    return (await session.execute(found)).one(), opened


async def decisions(session: AsyncSession, approval_id: UUID) -> list[Any]:
    """What was decided so far, in order."""
    statement = (
        sa.select(approval_decision)
        .where(approval_decision.c.approval_id == approval_id)
        .order_by(approval_decision.c.decided_at)
    )
    return list(await session.execute(statement))


async def get(session: AsyncSession, organization_id: UUID, approval_id: UUID, *, lock: bool = False) -> Any | None:
    """One approval, or None."""
    statement = sa.select(approval).where(approval.c.organization_id == organization_id, approval.c.id == approval_id)
    if lock:
        statement = statement.with_for_update()
    return (await session.execute(statement)).first()


async def again(session: AsyncSession, approval_id: UUID) -> Any:
    """One approval as it is now."""
    return (await session.execute(sa.select(approval).where(approval.c.id == approval_id))).one()


async def page(
    session: AsyncSession, organization_id: UUID, *, status: str | None, before: UUID | None, limit: int
) -> list[Any]:
    """Approvals, newest first, one more than `limit` when more follow."""
    statement = sa.select(approval).where(approval.c.organization_id == organization_id)
    statement = statement.order_by(approval.c.id.desc()).limit(limit + 1)
    if status is not None:
        statement = statement.where(approval.c.status == status)
    if before is not None:
        statement = statement.where(approval.c.id < before)
    return list(await session.execute(statement))


async def decide(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Store one person's decision; False when there is one by the same person."""
    statement = insert(approval_decision).values(**values).on_conflict_do_nothing()
    return (await session.execute(statement.returning(approval_decision.c.decided_by))).first() is not None


async def expire(session: AsyncSession, approval_id: UUID, at: datetime) -> bool:
    """End an approval that nobody has decided; False when somebody was faster."""
    statement = sa.update(approval).where(approval.c.id == approval_id, approval.c.status == "open")
    statement = statement.values(status="expired", decided_at=at).returning(approval.c.id)
    return (await session.execute(statement)).first() is not None


async def close(session: AsyncSession, approval_id: UUID, status: str, at: datetime) -> None:
    """End an approval."""
    await session.execute(sa.update(approval).where(approval.c.id == approval_id).values(status=status, decided_at=at))


async def poke(session: AsyncSession, run_id: UUID, key: str) -> None:
    """Make a waiting step due now, and its run with it, even when a worker is busy with another part of it.

    The run comes first, as workers write them, so that the two never wait for each other.
    """
    due = sa.func.clock_timestamp()
    await session.execute(
        sa.update(run)
        .where(run.c.id == run_id)
        .values(signals=run.c.signals + 1, due_at=sa.case((run.c.status == "waiting", due), else_=run.c.due_at))
    )
    await session.execute(
        sa.update(run_step)
        .where(run_step.c.run_id == run_id, run_step.c.key == key, run_step.c.status == "waiting")
        .values(due_at=due)
    )
