"""What the events service asks of workflows."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.httpclient import Siblings


async def report_matches(siblings: Siblings, matches: Sequence[dict[str, Any]]) -> int:
    """Starts a run for each new match {trigger_id, organization_id, event}; the number started."""
    answer = await siblings.call("workflows", "POST", "/internal/trigger-matches", json={"matches": list(matches)})
    return int(answer["started"])


async def create(
    siblings: Siblings,
    organization_id: UUID,
    definition: dict[str, Any],
    *,
    suggestion_id: UUID,
    user_id: UUID | None,
    event: dict[str, Any] | None,
) -> tuple[UUID, UUID | None]:
    """Makes the workflow of a suggestion, inactive, and its dry run with an event; or finds those it made before."""
    body = {
        "organization_id": organization_id,
        "definition": definition,
        "origin": {"type": "suggestion", "id": suggestion_id},
        "event": event,
        **({"actor_id": user_id} if user_id else {}),
    }
    answer = await siblings.call("workflows", "POST", "/internal/workflows", json=body, organization_id=organization_id)
    rehearsal = answer.get("dry_run_id")
    return UUID(answer["workflow_id"]), None if rehearsal is None else UUID(rehearsal)


async def trace(siblings: Siblings, organization_id: UUID, **begin: Sequence[Any]) -> list[dict[str, Any]]:
    """Runs that events started, that are named, that keys of steps started, and the latest of workflows.

    begin: `events`, `runs`, `keys`, `workflows`. Each run has id, workflow_id, version, status, dry_run, origin,
    cause, created_at, finished_at, and effects [{step, type, key, source}].
    """
    body = {"organization_id": organization_id, **{name: list(values) for name, values in begin.items()}}
    answer = await siblings.call("workflows", "POST", "/internal/lineage", json=body, organization_id=organization_id)
    runs: list[dict[str, Any]] = answer["runs"]
    return runs
