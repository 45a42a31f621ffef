"""Capture filters of organisations."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import capture_filter


async def rules_of(session: AsyncSession, organizations: Iterable[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The rules of those organisations that have any."""
    rows = await session.execute(
        sa.select(capture_filter.c.organization_id, capture_filter.c.rules).where(
            capture_filter.c.organization_id.in_(list(organizations))
        )
    )
    return {row.organization_id: row.rules for row in rows}


async def put(session: AsyncSession, organization_id: UUID, rules: list[dict[str, Any]], now: datetime) -> None:
    """Replaces an organisation's rules."""
    values = {"rules": rules, "changed_at": now}
    statement = insert(capture_filter).values(organization_id=organization_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["organization_id"], set_=values))
