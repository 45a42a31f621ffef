"""Rows of the audit log, which this service's roles can add and read, and nothing else."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import audit_entry


async def append(session: AsyncSession, **values: Any) -> None:
    """Writes one entry."""
    await session.execute(sa.insert(audit_entry).values(**values))


async def page(
    session: AsyncSession, organization_id: UUID, before: UUID | None, limit: int, **filters: str
) -> list[sa.Row[Any]]:
    """Entries of one organisation, the newest first; `filters` name columns and their exact values."""
    statement = sa.select(audit_entry).where(audit_entry.c.organization_id == organization_id).filter_by(**filters)
    if before is not None:
        statement = statement.where(audit_entry.c.id < before)
    return list((await session.execute(statement.order_by(audit_entry.c.id.desc()).limit(limit))).all())


async def list_by_actor(session: AsyncSession, actor: str, before: UUID | None, limit: int) -> list[sa.Row[Any]]:
    """What one actor did, in every organisation, the newest first."""
    statement = sa.select(audit_entry).where(audit_entry.c.actor == actor).order_by(audit_entry.c.id.desc())
    if before is not None:
        statement = statement.where(audit_entry.c.id < before)
    return list((await session.execute(statement.limit(limit))).all())
