"""Runs as requests see them: started, listed, read, cancelled, retried."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage import asides, family, news, pacing
from services.workflows.storage.tables import run, run_start, run_step

UNFINISHED = ("queued", "running", "waiting")
_SUMMARY = [
    run.c[name]
    for name in (
        "id", "workflow_id", "version", "status", "trigger", "input", "output", "error", "dry_run", "cause", "trace_id",
        "created_at", "started_at", "finished_at",
    )
]  # fmt: skip
# One by one, each in the month of its id, and wanted as JSON: an array's length would have PostgreSQL plan every time.
_MANY = """
    SELECT found.* FROM json_to_recordset($1::json) AS wanted (organization_id uuid, id uuid) CROSS JOIN LATERAL (
        SELECT id, organization_id, workflow_id, version, status, trigger, input, output, error, dry_run, cause,
               trace_id, created_at, started_at, finished_at, output_key,
               (SELECT json_agg(json_build_object(
                           'key', key, 'type', type, 'status', status, 'attempts', attempts, 'started_at', started_at,
                           'finished_at', finished_at, 'input', input, 'output', output, 'error', error,
                           'aside', aside))
                  FROM run_step WHERE run_id = run.id) AS steps
          FROM run WHERE run.organization_id = wanted.organization_id AND run.id = wanted.id LIMIT 1) AS found
"""
_CANCELLED = {
    "status": "cancelled",
    "due_at": None,
    "lease_owner": None,
    "held": False,
    "finished_at": sa.func.clock_timestamp(),
    "lease_token": run.c.lease_token + 1,
}


_REQUEUE = [
    sa.text(statement).bindparams(sa.bindparam("ids", type_=ARRAY(sa.Uuid)))
    for statement in (
        """
        DELETE FROM run_step WHERE organization_id = :organization_id AND run_id = ANY(:ids)
           AND status IN ('failed', 'cancelled')
        """,
        """
        UPDATE approval SET superseded_at = clock_timestamp()
         WHERE organization_id = :organization_id AND run_id = ANY(:ids) AND superseded_at IS NULL
           AND NOT EXISTS (SELECT FROM run_step WHERE run_step.run_id = approval.run_id
                              AND run_step.key = approval.key AND run_step.status = 'succeeded')
        """,
        """
        UPDATE run SET status = 'queued', error = NULL, output = NULL, output_key = NULL, started_at = NULL,
               finished_at = NULL, lease_token = lease_token + 1, takeovers = 0,
               held = concurrency_key IS NOT NULL, not_before = turn.moment,
               due_at = CASE WHEN concurrency_key IS NULL THEN turn.moment END
          FROM (SELECT id, clock_timestamp() + (place - 1) * make_interval(secs => :gap) AS moment
                  FROM unnest(:ids) WITH ORDINALITY AS given (id, place)) turn
         WHERE run.id = turn.id AND run.organization_id = :organization_id
        """,
    )
]


async def insert(session: AsyncSession, values: dict[str, Any], *, seconds: float = 0) -> None:
    """Store a new run, due in so many seconds unless `values` say otherwise."""
    moment = pacing.after(seconds) if seconds else sa.func.clock_timestamp()
    usual = {"status": "queued", "due_at": sa.null() if values.get("held") else moment}
    later = {"not_before": moment} if seconds else {}
    await session.execute(sa.insert(run).values({**usual, **later, **values}))


async def insert_all(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Store new runs, due now."""
    due_now = sa.insert(run).values(status="queued", due_at=sa.func.clock_timestamp())
    await session.execute(due_now, list(rows))


async def take_key(session: AsyncSession, organization_id: UUID, key: str, run_id: UUID) -> UUID:
    """Reserve a start key for a run; answers the run that has it, which may be an earlier one."""
    values = {"organization_id": organization_id, "start_key": key, "run_id": run_id}
    taken = insert_or(run_start).values(**values).on_conflict_do_nothing().returning(run_start.c.run_id)
    if (await session.execute(taken)).first() is not None:
        return run_id
    statement = sa.select(run_start.c.run_id).filter_by(organization_id=organization_id, start_key=key)
    return UUID(str((await session.execute(statement)).scalar_one()))


async def leave_key(session: AsyncSession, organization_id: UUID, key: str) -> None:
    """Give a start key back: no run came of it."""
    await session.execute(sa.delete(run_start).filter_by(organization_id=organization_id, start_key=key))


async def get(session: AsyncSession, organization_id: UUID, run_id: UUID, *, lock: bool = False) -> Any | None:
    """One run, or None."""
    statement = sa.select(run).where(run.c.organization_id == organization_id, run.c.id == run_id)
    if lock:
        statement = statement.with_for_update()
    return (await session.execute(statement)).first()


async def get_many(connection: Any, wanted: Collection[tuple[UUID, UUID]]) -> list[dict[str, Any]]:
    """Those of these (organisation, run) that there are, each with its stored `steps`, by asyncpg's own connection.

    Moments of steps are texts, as JSON has them.
    """
    asked = [{"organization_id": organization_id, "id": run_id} for organization_id, run_id in wanted]
    rows = await connection.fetch(_MANY, orjson.dumps(asked, default=str).decode())
    found = [{**row, "steps": row["steps"] or []} for row in rows]
    await asides.fill(connection, found)
    return found


async def page(
    session: AsyncSession,
    organization_id: UUID,
    *,
    filters: dict[str, Any],
    before: UUID | None,
    limit: int,
) -> list[Any]:
    """Runs without their steps, newest first, one more than `limit` when more follow."""
    statement = sa.select(*_SUMMARY).where(run.c.organization_id == organization_id)
    statement = statement.order_by(run.c.id.desc()).limit(limit + 1)
    for name, value in filters.items():
        if value is not None:
            statement = statement.where(run.c[name] == value)
    if before is not None:
        statement = statement.where(run.c.id < before)
    return list(await session.execute(statement))


async def cancel(session: AsyncSession, organization_id: UUID, condition: "sa.ColumnElement[bool]") -> list[UUID]:
    """End every unfinished run that the condition names, with those that they started, and fence off their workers.

    Answers the ids of those that the condition named; whoever waits for one of them is woken.
    """
    statement = (
        sa.update(run)
        .where(run.c.organization_id == organization_id, run.c.status.in_(UNFINISHED), condition)
        .values(**_CANCELLED)
        .returning(run.c.id)
    )
    ended = list((await session.execute(statement)).scalars())
    if ended:
        await news.publish(session, ended)
        await close(session, organization_id, ended)
        await family.wake_parents(session, ended)
    return ended


async def close(session: AsyncSession, organization_id: UUID, ended: Sequence[UUID]) -> None:
    """Leave nothing behind that still waits: steps, questions to people, and the runs that steps have started."""
    await session.execute(
        sa.update(run_step)
        .where(_among(run_step.c.run_id, ended), run_step.c.status.in_(("pending", "running", "waiting")))
        .values(status="cancelled", due_at=None, finished_at=sa.func.clock_timestamp())
    )
    await family.withdraw_approvals(session, ended)
    children = await family.children(session, organization_id, ended)
    if children:
        await cancel(session, organization_id, _among(run.c.id, children))


def _among(column: "sa.Column[Any]", ids: Sequence[UUID]) -> "sa.ColumnElement[bool]":
    """One array instead of a parameter an id, of which a statement holds but 32,767."""
    return column == sa.any_(sa.literal(list(ids), ARRAY(sa.Uuid)))


def is_run(run_id: UUID) -> "sa.ColumnElement[bool]":
    """The condition that names one run."""
    return run.c.id == run_id


def is_of_workflow(workflow_id: UUID) -> "sa.ColumnElement[bool]":
    """The condition that names the runs of one workflow."""
    return run.c.workflow_id == workflow_id


async def requeue(session: AsyncSession, organization_id: UUID, run_ids: Sequence[UUID], *, gap_seconds: float) -> None:
    """Let ended runs go on from the steps that did not succeed, one after the other in the order given.

    Those that share a concurrency limit wait for their turn again; what was asked of people is asked anew.
    """
    given = {"organization_id": organization_id, "ids": list(run_ids), "gap": gap_seconds}
    for statement in _REQUEUE:
        await session.execute(statement, given)


async def failed(
    session: AsyncSession,
    organization_id: UUID,
    *,
    workflow_id: UUID,
    status: str,
    after: datetime | None,
    before: datetime | None,
    limit: int,
) -> list[UUID]:
    """The ended runs of a workflow in a span of time, oldest first, locked against anybody else's retry."""
    statement = (
        sa.select(run.c.id)
        .where(run.c.organization_id == organization_id, run.c.workflow_id == workflow_id, run.c.status == status)
        .order_by(run.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if after is not None:
        statement = statement.where(run.c.created_at >= after)
    if before is not None:
        statement = statement.where(run.c.created_at < before)
    return list((await session.execute(statement)).scalars())


async def ended_among(session: AsyncSession, run_ids: Sequence[UUID]) -> list[UUID]:
    """Which of these runs have ended."""
    statement = sa.select(run.c.id).where(run.c.id.in_(run_ids), run.c.status.not_in(UNFINISHED))
    return list((await session.execute(statement)).scalars())
