"""What an organisation decides about its events: filters and retention."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import filters, retention
from shared import clock


async def get_rules(session: AsyncSession, organization_id: UUID) -> list[dict[str, Any]]:
    """The capture filters, in order."""
    return (await filters.rules_of(session, [organization_id])).get(organization_id, [])


async def put_rules(session: AsyncSession, organization_id: UUID, rules: list[dict[str, Any]]) -> None:
    """Replaces the capture filters; they hold for everything that arrives from the commit on."""
    await filters.put(session, organization_id, rules, clock.now())


async def get_days(session: AsyncSession, organization_id: UUID, default: int) -> int:
    """Days that events are kept after they arrived."""
    return await retention.get(session, organization_id) or default


async def put_days(session: AsyncSession, organization_id: UUID, days: int) -> None:
    """Stores how long events are kept; the worker deletes older ones within the hour."""
    await retention.put(session, organization_id, days, clock.now())
