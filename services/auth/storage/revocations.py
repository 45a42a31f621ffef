"""The append-only feed of what is no longer valid."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import revocation

# One writer at a time, until its commit: positions become visible in order, and no reader passes one that commits late.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('floyo.revocation'))")


async def append(session: AsyncSession, kind: str, subjects: list[str], at: datetime, role: str | None = None) -> None:
    """Writes entries; the last thing a transaction should do, because others wait for its commit."""
    await session.execute(_LOCK)
    await session.execute(
        sa.insert(revocation), [{"kind": kind, "subject": subject, "at": at, "role": role} for subject in subjects]
    )


async def after(session: AsyncSession, position: int, limit: int) -> list[sa.Row[Any]]:
    """Entries after a position, in order."""
    statement = sa.select(revocation).where(revocation.c.position > position).order_by(revocation.c.position)
    return list((await session.execute(statement.limit(limit))).all())


async def position_before(session: AsyncSession, moment: datetime) -> int:
    """The last position that was written before a moment; 0 when there is none."""
    statement = sa.select(sa.func.max(revocation.c.position)).where(revocation.c.at < moment)
    return await session.scalar(statement) or 0


async def purge(session: AsyncSession, before: datetime) -> None:
    """Forgets entries that no token can be old enough for; the newest stays, so that positions never restart."""
    newest = sa.select(sa.func.max(revocation.c.position)).scalar_subquery()
    await session.execute(sa.delete(revocation).where(revocation.c.at < before, revocation.c.position < newest))
