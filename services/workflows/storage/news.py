"""Facts about runs for those who listen, written with the change that they tell of.

A message for every run would cost more than the run, so only organisations in `audience` have any: those with a
webhook that wants to know.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import audience

COLUMNS = (
    "id, organization_id, workflow_id, version, status, error, dry_run, started_at, finished_at, trace_id"
)  # fmt: skip
# For a statement in which `ended` names rows of `run`; the shape is messages.RunFinished.
PUBLISH = """
    INSERT INTO outbox (id, recipient, key, type, version, body, trace_id, due_at)
    SELECT gen_random_uuid(), 'integrations', ended.id::text, 'workflow.run_finished', 1,
           json_build_object('organization_id', organization_id, 'run_id', ended.id, 'workflow_id', workflow_id,
                             'workflow_version', version, 'status', status, 'error', error, 'dry_run', dry_run,
                             'started_at', started_at, 'finished_at', finished_at),
           trace_id, clock_timestamp()
      FROM {ended} AS ended JOIN audience USING (organization_id) WHERE finished_at IS NOT NULL
"""
_PUBLISH = sa.text(PUBLISH.format(ended="run") + " AND ended.id = ANY(:ids)").bindparams(
    sa.bindparam("ids", type_=ARRAY(UUID_TYPE))
)


async def publish(session: AsyncSession, run_ids: Sequence[UUID]) -> None:
    """Tell that these runs have ended, where anybody listens."""
    await session.execute(_PUBLISH, {"ids": list(run_ids)})


async def listeners(session: AsyncSession) -> set[UUID]:
    """The organisations that are told."""
    return set((await session.execute(sa.select(audience.c.organization_id))).scalars())


async def change_listeners(session: AsyncSession, *, new: Collection[UUID], gone: Collection[UUID]) -> None:
    """Tell some organisations from now on, and others no longer."""
    if new:
        rows = [{"organization_id": organization_id} for organization_id in sorted(new)]
        await session.execute(insert(audience).on_conflict_do_nothing(), rows)
    if gone:
        await session.execute(sa.delete(audience).where(audience.c.organization_id.in_(gone)))
