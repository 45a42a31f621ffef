"""What has come of an event."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import pattern, suggestion


async def derived(session: AsyncSession, organization_id: UUID, event_id: UUID) -> tuple[list[Any], list[Any]]:
    """Patterns (id, kind) and suggestions (id, title, status, workflow_id) that cite the event."""
    cited = sa.literal([str(event_id)], pattern.c.evidence.type)
    patterns = await session.execute(
        sa.select(pattern.c.id, pattern.c.kind).where(
            pattern.c.organization_id == organization_id,
            pattern.c.retired_at.is_(None),
            pattern.c.evidence.contains(cited),
        )
    )
    columns = (suggestion.c.id, suggestion.c.title, suggestion.c.status, suggestion.c.workflow_id)
    suggestions = await session.execute(
        sa.select(*columns).where(
            suggestion.c.organization_id == organization_id,
            suggestion.c.retired_at.is_(None),
            suggestion.c.evidence.contains(cited),
        )
    )
    return list(patterns), list(suggestions)
