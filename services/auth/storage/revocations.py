"""The append-only feed of what is no longer valid."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import revocation
from shared.database import Database

# One writer at a time, until its commit: positions become visible in order, and no reader passes one that commits late.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('floyo.revocation'))")
_AFTER = "SELECT position, kind, subject, at, role FROM revocation WHERE position > $1 ORDER BY position LIMIT $2"


async def append(session: AsyncSession, kind: str, subjects: list[str], at: datetime, role: str | None = None) -> None:
    """Writes entries; the last thing a transaction should do, because others wait for its commit."""
    await session.execute(_LOCK)
    await session.execute(
        sa.insert(revocation), [{"kind": kind, "subject": subject, "at": at, "role": role} for subject in subjects]
    )


async def after(database: Database, position: int, limit: int) -> list[Any]:
    """Entries after a position, in order, by one statement: every process asks every other second."""
    async with database.statements() as connection:
        return list(await connection.fetch(_AFTER, position, limit))


async def position_before(database: Database, moment: datetime) -> int:
    """The last position that was written before a moment; 0 when there is none."""
    return await database.look("SELECT max(position) FROM revocation WHERE at < $1", moment) or 0


async def purge(session: AsyncSession, before: datetime) -> None:
    """Forgets entries that no token can be old enough for; the newest stays, so that positions never restart."""
    newest = sa.select(sa.func.max(revocation.c.position)).scalar_subquery()
    await session.execute(sa.delete(revocation).where(revocation.c.at < before, revocation.c.position < newest))
