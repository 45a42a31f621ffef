"""What has come of an event."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import event_key, pattern, suggestion


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


async def recorded(
    session: AsyncSession, organization_id: UUID, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], UUID]:
    """The events recorded under (source, external id)."""
    query = sa.select(event_key.c.source, event_key.c.external_id, event_key.c.event_id).where(
        event_key.c.organization_id == organization_id,
        sa.tuple_(event_key.c.source, event_key.c.external_id).in_(list(keys)),
    )
    return {(row.source, row.external_id): row.event_id for row in await session.execute(query)}
