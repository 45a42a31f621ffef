"""Runs by what they came of, and the effects that they had."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_RUNS = """
WITH fired AS (
    SELECT firing.run_id FROM trigger JOIN firing ON firing.trigger_id = trigger.id
    WHERE trigger.organization_id = :organization_id AND firing.slot = ANY(CAST(:slots AS text[]))
), begun AS (
    SELECT run_id FROM run_start WHERE organization_id = :organization_id AND start_key = ANY(CAST(:keys AS text[]))
), latest AS (
    SELECT recent.id FROM unnest(CAST(:workflows AS uuid[])) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT run.id FROM run WHERE run.workflow_id = wanted.id AND run.organization_id = :organization_id
        ORDER BY run.id DESC LIMIT :recent
    ) AS recent
)
SELECT run.id, run.workflow_id, run.version, run.status, run.dry_run, run.cause, run.created_at, run.finished_at,
       workflow.origin
FROM run JOIN workflow ON workflow.id = run.workflow_id
WHERE run.organization_id = :organization_id
  AND (run.id = ANY(CAST(:runs AS uuid[])) OR run.id IN (SELECT run_id FROM begun)
       OR run.id IN (SELECT run_id FROM fired) OR run.id IN (SELECT id FROM latest))
ORDER BY run.id LIMIT :limit
"""

_EFFECTS = """
SELECT run_id, key, step_id, type, status, input->>'source' AS source FROM run_step
WHERE organization_id = :organization_id AND run_id = ANY(CAST(:runs AS uuid[]))
  AND type = ANY(CAST(:types AS text[])) AND status = 'succeeded'
ORDER BY run_id, started_at, key LIMIT :limit
"""


async def runs(
    session: AsyncSession,
    organization_id: UUID,
    *,
    slots: Sequence[str],
    runs: Sequence[UUID],
    keys: Sequence[str],
    workflows: Sequence[UUID],
    recent: int,
    limit: int,
) -> list[Any]:
    """Runs that the slots fired, that are named, that the start keys began, and the latest of the workflows."""
    given = {
        "organization_id": organization_id, "slots": list(slots), "runs": list(runs), "keys": list(keys),
        "workflows": list(workflows), "recent": recent, "limit": limit,
    }  # fmt: skip
    return list(await session.execute(text(_RUNS), given))


async def effects(
    session: AsyncSession, organization_id: UUID, runs: Sequence[UUID], types: Sequence[str], limit: int
) -> list[Any]:
    """(run_id, key, step_id, type, status, source) of the steps of some types that have succeeded."""
    given = {"organization_id": organization_id, "runs": list(runs), "types": list(types), "limit": limit}
    return list(await session.execute(text(_EFFECTS), given))
