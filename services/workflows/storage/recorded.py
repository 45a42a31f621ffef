"""What steps have answered before: the outputs that dry runs go by."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncSession

LOOKED_AT = 50
# The very step first, then the same one of another branch; the newest run of each.
_LATEST = sa.text(
    """
    WITH lately AS (
        SELECT id FROM run WHERE workflow_id = :workflow_id AND organization_id = :organization_id AND NOT dry_run
         ORDER BY id DESC LIMIT :most
    )
    SELECT coalesce(step_output.output, run_step.output) AS output
      FROM lately JOIN run_step ON run_step.run_id = lately.id
      LEFT JOIN step_output ON step_output.run_id = run_step.run_id AND step_output.key = run_step.key
     WHERE run_step.step_id = :step_id AND run_step.type = :type AND run_step.status = 'succeeded'
     ORDER BY (run_step.key = :key) DESC, lately.id DESC LIMIT 1
    """
).columns(output=JSON)


async def latest(
    session: AsyncSession, organization_id: UUID, workflow_id: UUID, key: str, kind: str
) -> tuple[bool, Any]:
    """Whether a step of this key and type has succeeded in one of the workflow's latest real runs, and its output."""
    given = {"organization_id": organization_id, "workflow_id": workflow_id, "key": key, "type": kind}
    given |= {"step_id": key.rpartition(".")[2], "most": LOOKED_AT}
    found = (await session.execute(_LATEST, given)).first()
    return (False, None) if found is None else (True, found.output)
