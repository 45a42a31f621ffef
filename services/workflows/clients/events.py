"""The events service, where emitted events are recorded."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.httpclient import Siblings


async def record(siblings: Siblings, organization_id: UUID, event: Mapping[str, Any]) -> dict[str, Any]:
    """Record one event; the same (source, id) again changes nothing. Answers the service's summary."""
    answer: dict[str, Any] = await siblings.call(
        "events",
        "POST",
        "/internal/events",
        json={"organization_id": organization_id, "events": [dict(event)]},
        organization_id=organization_id,
    )
    return answer
