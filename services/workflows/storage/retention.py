"""Runs that have been kept long enough: whole months dropped, what stands in their way deleted. System role."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

BATCH = 1_000
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('run retention'))")
# Months are made in order: one that ends as late says that there is nothing to make, and no lock is needed to see it.
_ENSURE = text(
    """
    SELECT ensure_run_partitions(:moment) WHERE NOT EXISTS (
        SELECT FROM run_partition
         WHERE until >= uuid_bound(date_trunc('month', CAST(:moment AS timestamptz), 'UTC') + interval '1 month'))
    """
)
_OLD_MONTHS = text("SELECT name FROM run_partition WHERE until <= uuid_bound(:cutoff) ORDER BY until")
_DROP = text("SELECT drop_run_partition(:name, :cutoff)")
# The runs of one batch with everything of theirs; each table is known by its run.
_DELETE = """
    WITH chosen AS ({chosen} LIMIT :batch),
         steps AS (DELETE FROM run_step USING chosen WHERE run_id = chosen.id),
         outputs AS (DELETE FROM step_output USING chosen WHERE run_id = chosen.id)
    DELETE FROM run USING chosen WHERE run.id = chosen.id
"""
_AGED = text(
    _DELETE.format(chosen="SELECT id FROM run WHERE id < uuid_bound(:cutoff) AND finished_at < :cutoff ORDER BY id")
)
_BEYOND = text(
    _DELETE.format(
        chosen="SELECT id FROM run WHERE organization_id = :organization_id AND id <= :last"
        " AND finished_at IS NOT NULL ORDER BY id"
    )
)
# Who has runs is found by leaps from one organisation to the next.
_CROWDED = text(
    """
    WITH RECURSIVE organization AS (
        (SELECT organization_id FROM run ORDER BY organization_id LIMIT 1)
        UNION ALL
        SELECT (SELECT next.organization_id FROM run next WHERE next.organization_id > organization.organization_id
                 ORDER BY next.organization_id LIMIT 1)
          FROM organization WHERE organization.organization_id IS NOT NULL)
    SELECT organization.organization_id, surplus.id AS last FROM organization CROSS JOIN LATERAL (
        SELECT id FROM run WHERE run.organization_id = organization.organization_id
         ORDER BY id DESC OFFSET :most LIMIT 1) surplus
    """
)
# What stood beside runs that are gone. A key whose parent lives on still says that its child was started.
_LEFT = [
    text(statement)
    for statement in (
        """
        DELETE FROM run_start WHERE (organization_id, start_key) IN (
            SELECT organization_id, start_key FROM run_start WHERE run_id < uuid_bound(:cutoff)
               AND NOT EXISTS (SELECT FROM run WHERE run.id = run_start.run_id)
               AND NOT EXISTS (SELECT FROM run WHERE run.id = CASE WHEN start_key ~ '^[0-9a-f-]{36}:'
                                                                   THEN left(start_key, 36)::uuid END)
             LIMIT :batch)
        """,
        """
        WITH chosen AS (
            SELECT id FROM approval WHERE id < uuid_bound(:cutoff)
               AND NOT EXISTS (SELECT FROM run WHERE run.id = approval.run_id) LIMIT :batch),
             emptied AS (DELETE FROM approval_decision USING chosen WHERE approval_id = chosen.id RETURNING approval_id)
        DELETE FROM approval USING chosen WHERE approval.id = chosen.id AND (SELECT count(*) FROM emptied) >= 0
        """,
    )
]


async def is_alone(session: AsyncSession) -> bool:
    """Whether this transaction is the only one that tidies up."""
    return bool(await session.scalar(_ALONE))


async def ensure_month(session: AsyncSession, moment: datetime) -> None:
    """Make the partitions of a month unless there are some."""
    await session.execute(_ENSURE, {"moment": moment})


async def old_months(session: AsyncSession, cutoff: datetime) -> list[str]:
    """The partitions whose every run was made before a moment, oldest first."""
    return list((await session.execute(_OLD_MONTHS, {"cutoff": cutoff})).scalars())


async def drop_month(session: AsyncSession, name: str, cutoff: datetime) -> bool:
    """Drop a month; False when it holds a run that has not ended, or ended since the moment."""
    return bool(await session.scalar(_DROP, {"name": name, "cutoff": cutoff}))


async def delete_aged(session: AsyncSession, cutoff: datetime) -> int:
    """Delete a batch of the runs that ended before a moment, in months that cannot be dropped."""
    return await _count(session, _AGED, {"cutoff": cutoff, "batch": BATCH})


async def crowded(session: AsyncSession, most: int) -> list[tuple[UUID, UUID]]:
    """Organisations with more runs than that: each with the newest of those that are too many."""
    return [(row.organization_id, row.last) for row in await session.execute(_CROWDED, {"most": most})]


async def delete_beyond(session: AsyncSession, organization_id: UUID, last: UUID) -> int:
    """Delete a batch of an organisation's ended runs, up to one."""
    return await _count(session, _BEYOND, {"organization_id": organization_id, "last": last, "batch": BATCH})


async def delete_left(session: AsyncSession, cutoff: datetime) -> int:
    """Delete a batch of what stood beside runs that are gone."""
    return sum([await _count(session, statement, {"cutoff": cutoff, "batch": BATCH}) for statement in _LEFT])


async def _count(session: AsyncSession, statement: Any, given: dict[str, Any]) -> int:
    found: int = (await session.execute(statement, given)).rowcount  # type: ignore[attr-defined]
    return found
