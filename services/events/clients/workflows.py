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
) -> UUID:
    """Makes the workflow of a suggestion, or finds the one it made before."""
    body = {
        "organization_id": organization_id,
        "definition": definition,
        "origin": {"type": "suggestion", "id": suggestion_id},
        **({"actor_id": user_id} if user_id else {}),
    }
    answer = await siblings.call("workflows", "POST", "/internal/workflows", json=body, organization_id=organization_id)
    return UUID(answer["workflow_id"])
