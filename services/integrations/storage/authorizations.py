"""Rows of `authorization_request`, and the lease of a refresh."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.storage.tables import authorization_request, integration

Row = RowMapping


async def insert(session: AsyncSession, values: Mapping[str, Any], now: datetime) -> None:
    """A new request; the organisation's expired ones go."""
    table = authorization_request
    old = sa.delete(table).filter_by(organization_id=values["organization_id"]).where(table.c.expires_at < now)
    await session.execute(old)
    await session.execute(sa.insert(table).values(**values))


async def take(session: AsyncSession, where: Mapping[str, Any], now: datetime) -> Row | None:
    """The request with its state spent, or None when it is unknown, spent, expired or somebody else's."""
    table = authorization_request
    statement = sa.delete(table).filter_by(**where).where(table.c.expires_at >= now).returning(table)
    row: Row | None = (await session.execute(statement)).mappings().first()
    return row


async def begin_refresh(
    session: AsyncSession, organization_id: UUID, integration_id: UUID, now: datetime, until: datetime
) -> bool:
    """Whether the lease is ours."""
    statement = (
        sa.update(integration)
        .filter_by(organization_id=organization_id, id=integration_id)
        .where(sa.or_(integration.c.refreshing_until.is_(None), integration.c.refreshing_until < now))
        .values(refreshing_until=until)
        .returning(integration.c.id)
    )
    return (await session.execute(statement)).first() is not None


async def note_refusal(session: AsyncSession, organization_id: UUID, integration_id: UUID, now: datetime) -> str | None:
    """The integration's name, if this is the first refusal since its last good tokens."""
    statement = sa.update(integration).filter_by(organization_id=organization_id, id=integration_id)
    statement = statement.where(integration.c.refused_at.is_(None)).values(refused_at=now)
    name: str | None = (await session.execute(statement.returning(integration.c.name))).scalar_one_or_none()
    return name


async def end_refresh(session: AsyncSession, organization_id: UUID, integration_id: UUID) -> None:
    """Give the lease back."""
    statement = sa.update(integration).filter_by(organization_id=organization_id, id=integration_id)
    await session.execute(statement.values(refreshing_until=None))
