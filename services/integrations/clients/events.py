"""What this service asks of events."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.httpclient import Siblings


async def append(siblings: Siblings, organization_id: UUID, events: Sequence[Any]) -> dict[int, str]:
    """Appends events; answers why some were rejected, by index. Known ones count as appended."""
    body = {"organization_id": organization_id, "events": list(events)}
    answer = await siblings.call("events", "POST", "/internal/events", json=body, organization_id=organization_id)
    return {int(item["index"]): str(item.get("detail", "")) for item in answer["rejected"]}
