"""What this service asks of events."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from shared.httpclient import Siblings


async def append(
    siblings: Siblings, organization_id: UUID, events: Sequence[Any], *, cause: Mapping[str, Any] | None = None
) -> dict[int, str]:
    """Appends events of one cause {run_id, depth}; answers why some were rejected, by index. Known ones count."""
    body = {"organization_id": organization_id, "events": list(events), "cause": cause}
    answer = await siblings.call("events", "POST", "/internal/events", json=body, organization_id=organization_id)
    return {int(item["index"]): str(item.get("detail", "")) for item in answer["rejected"]}
