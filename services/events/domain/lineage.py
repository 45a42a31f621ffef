"""What has come of an event: patterns, suggestions, triggers that wait for its like."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import subscriptions as matching
from services.events.storage import events, lineage, subscriptions
from shared import errors


async def trace(session: AsyncSession, organization_id: UUID, event_id: UUID) -> dict[str, Any]:
    """{event_id, patterns, suggestions, triggers}; raises NotFound."""
    row = await events.find(session, organization_id, event_id)
    if row is None:
        raise errors.NotFound
    patterns, suggestions = await lineage.derived(session, organization_id, event_id)
    active = await subscriptions.active_of(session, [organization_id])
    return {
        "event_id": event_id,
        "patterns": [{"id": item.id, "kind": item.kind} for item in patterns],
        "suggestions": [
            {"id": item.id, "title": item.title, "status": item.status, "workflow_id": item.workflow_id}
            for item in suggestions
        ],
        "triggers": [
            {"trigger_id": item.trigger_id, "workflow_id": item.workflow_id}
            for item in active
            if matching.wants(item, row)
        ],
    }
