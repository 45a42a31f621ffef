"""Rows of API keys; only digests are kept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import api_key, organization


async def insert(session: AsyncSession, **values: Any) -> None:
    """Adds a key."""
    await session.execute(sa.insert(api_key).values(**values))


async def page(session: AsyncSession, organization_id: UUID, before: UUID | None, limit: int) -> list[sa.Row[Any]]:
    """Keys of one organisation, the newest first."""
    statement = sa.select(api_key).where(api_key.c.organization_id == organization_id).order_by(api_key.c.id.desc())
    if before is not None:
        statement = statement.where(api_key.c.id < before)
    return list((await session.execute(statement.limit(limit))).all())


async def find(session: AsyncSession, organization_id: UUID, key_id: UUID) -> sa.Row[Any] | None:
    """One key of one organisation."""
    statement = sa.select(api_key).where(api_key.c.organization_id == organization_id, api_key.c.id == key_id)
    return (await session.execute(statement)).first()


async def delete(session: AsyncSession, organization_id: UUID, key_id: UUID) -> bool:
    """False when the organisation has no such key."""
    statement = sa.delete(api_key).where(api_key.c.organization_id == organization_id, api_key.c.id == key_id)
    return (await session.execute(statement.returning(api_key.c.id))).first() is not None


async def note_use(session: AsyncSession, keys: Sequence[UUID], at: datetime) -> None:
    """The latest use of each; in the order of ids, so that processes which tell at once never wait for each other."""
    found = sa.select(api_key.c.id).where(api_key.c.id.in_(keys)).order_by(api_key.c.id).with_for_update()
    await session.execute(sa.update(api_key).where(api_key.c.id.in_(found)).values(used_at=at))


async def find_by_digest(session: AsyncSession, digest: bytes) -> sa.Row[Any] | None:
    """The key of any active organisation, as a bearer presents it."""
    statement = (
        sa.select(api_key)
        .join(organization, organization.c.id == api_key.c.organization_id)
        .where(api_key.c.digest == digest, organization.c.disabled_at.is_(None))
    )
    return (await session.execute(statement)).first()
