"""What came of events, and of which workflow's version: runs with their effects."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import reading
from services.workflows.step import catalog
from services.workflows.storage import lineage

RECENT = 20
MOST_RUNS = 200
MOST_EFFECTS = 2_000


async def trace(
    session: AsyncSession,
    organization_id: UUID,
    *,
    events: Sequence[UUID],
    runs: Sequence[UUID],
    keys: Sequence[str],
    workflows: Sequence[UUID],
) -> list[dict[str, Any]]:
    """Runs that the events started, those named, those that steps with these keys started, and of each workflow the
    latest; each {id, workflow_id, version, status, dry_run, origin, cause, created_at, finished_at, effects}.

    effects: [{step, type, key, source}], whose key is the id under which an emitted event was recorded at `source`.
    """
    slots = [slot for event in events for slot in (str(event), f"silence after {event}")]
    found = await lineage.runs(
        session, organization_id, slots=slots, runs=runs, keys=keys, workflows=workflows, recent=RECENT, limit=MOST_RUNS
    )
    had: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    wanted = [row.id for row in found if not row.dry_run]
    for row in await lineage.effects(session, organization_id, wanted, _acting(), MOST_EFFECTS):
        effect = {"step": row.step_id, "type": row.type, "key": f"{row.run_id}:{row.key}", "source": row.source}
        had[row.run_id].append(effect)
    return [{**reading.summary(row), "effects": had[row.id]} for row in found]


def _acting() -> list[str]:
    """The types of steps that reach beyond their run."""
    return sorted(name for name, step in catalog().items() if step.effect)
