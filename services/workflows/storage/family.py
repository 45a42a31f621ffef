"""Runs and the runs that their steps have started: ended together, woken by each other, retried together."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncSession

_IDS = bindparam("ids", type_=ARRAY(UUID_TYPE))
# Start keys of steps are `run:step`; ';' follows ':' in the order of bytes, so the range holds the steps of one run.
_CHILDREN = text(
    """
    SELECT run_start.run_id FROM unnest(:ids) AS parent (id)
      JOIN run_start ON run_start.organization_id = :organization_id
           AND run_start.start_key >= parent.id || ':' AND run_start.start_key < parent.id || ';'
      JOIN run ON run.id = run_start.run_id AND run.finished_at IS NULL
    """
).bindparams(_IDS)
_PARENTS = text(
    """
    SELECT DISTINCT CAST(cause->>'id' AS uuid) AS id, cause->>'step' AS key
      FROM run WHERE id = ANY(:ids) AND cause->>'kind' = 'run'
    """
).bindparams(_IDS)
# A parent that somebody else is changing is left alone: it looks by itself, and so nobody waits for each other.
_NUDGE = text(
    """
    WITH free AS (SELECT id FROM run WHERE id = :id AND finished_at IS NULL FOR UPDATE SKIP LOCKED),
         woken AS (
             UPDATE run SET signals = signals + 1,
                    due_at = CASE WHEN status = 'waiting' THEN clock_timestamp() ELSE due_at END
               FROM free WHERE run.id = free.id RETURNING run.id)
    UPDATE run_step SET due_at = clock_timestamp()
      FROM woken WHERE run_step.run_id = woken.id AND run_step.key = :key AND run_step.status = 'waiting'
    """
)
_WITHDRAWN = text(
    "UPDATE approval SET status = 'withdrawn', decided_at = clock_timestamp() WHERE run_id = ANY(:ids)"
    " AND status = 'open'"
).bindparams(_IDS)
_FAILED_BEFORE = text(
    """
    SELECT child.id FROM run child, run parent
     WHERE child.id = :child AND parent.id = :parent AND child.status IN ('failed', 'cancelled')
       AND child.finished_at < parent.started_at
    """
)
_NESTING = text(
    """
    WITH RECURSIVE above AS (
        SELECT cause FROM run WHERE id = :id
        UNION ALL
        SELECT run.cause FROM above JOIN run ON run.id = CAST(above.cause->>'id' AS uuid)
         WHERE above.cause->>'kind' = 'run'
    )
    SELECT count(*) - 1 FROM above
    """
)
_STARTER = text("SELECT cause->>'by' FROM run WHERE id = :id")


async def children(session: AsyncSession, organization_id: UUID, parents: Sequence[UUID]) -> list[UUID]:
    """The unfinished runs that steps of these runs have started."""
    given = {"organization_id": organization_id, "ids": list(parents)}
    return list((await session.execute(_CHILDREN, given)).scalars())


async def wake_parents(session: AsyncSession, ended: Sequence[UUID]) -> None:
    """Make the steps due that wait for these runs; one that is missed looks again by itself."""
    for row in list(await session.execute(_PARENTS, {"ids": list(ended)})):
        await session.execute(_NUDGE, {"id": row.id, "key": row.key})


async def withdraw_approvals(session: AsyncSession, ended: Sequence[UUID]) -> None:
    """Ask nobody any more on behalf of runs that have ended."""
    await session.execute(_WITHDRAWN, {"ids": list(ended)})


async def has_failed_before(session: AsyncSession, child: UUID, parent: UUID) -> bool:
    """Whether a child ended badly in an earlier life of its parent, which has been retried since."""
    return (await session.execute(_FAILED_BEFORE, {"child": child, "parent": parent})).first() is not None


async def nesting(session: AsyncSession, run_id: UUID) -> int:
    """How many runs stand above a run, each started by a step of the next."""
    return int(await session.scalar(_NESTING, {"id": run_id}) or 0)


async def starter(session: AsyncSession, run_id: UUID) -> str | None:
    """Who asked for a run, or for the run that started it: `user:<id>` or the like; None when nobody did."""
    found: str | None = await session.scalar(_STARTER, {"id": run_id})
    return found
