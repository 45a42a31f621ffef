"""The events service, where emitted events are recorded."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared import errors
from shared.httpclient import Siblings


async def record(
    siblings: Siblings, organization_id: UUID, event: Mapping[str, Any], cause: Mapping[str, Any]
) -> dict[str, Any]:
    """Record one event of a run, `cause` {run_id, depth}; the same (source, id) again changes nothing.

    Invalid when the service refuses it.
    """
    answer: dict[str, Any] = await siblings.call(
        "events",
        "POST",
        "/internal/events",
        json={"organization_id": organization_id, "events": [dict(event)], "cause": dict(cause)},
        organization_id=organization_id,
    )
    for refused in answer["rejected"]:
        raise errors.Invalid("event-refused", str(refused.get("detail", "The event was refused.")))
    return answer
