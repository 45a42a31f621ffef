"""Rows of the keys that sign access tokens, sealed."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import signing_key
from shared.database import Database

_SHOWN = "SELECT * FROM signing_key WHERE shown_until IS NULL OR shown_until > $1 ORDER BY signs_from DESC, kid"
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('floyo.signing_key'))")


async def lock(session: AsyncSession) -> None:
    """One maker of keys at a time, over all processes."""
    await session.execute(_LOCK)


async def list_shown(session: AsyncSession, now: datetime) -> list[sa.Row[Any]]:
    """Keys whose tokens may still be valid, the newest first."""
    shown = sa.or_(signing_key.c.shown_until.is_(None), signing_key.c.shown_until > now)
    statement = sa.select(signing_key).where(shown).order_by(signing_key.c.signs_from.desc(), signing_key.c.kid)
    return list((await session.execute(statement)).all())


async def look(database: Database, now: datetime) -> list[Any]:
    """The same in one round trip: every process looks once a second."""
    async with database.statements() as connection:
        return [SimpleNamespace(**row) for row in await connection.fetch(_SHOWN, now)]


async def insert(session: AsyncSession, **values: Any) -> None:
    """Adds a key."""
    await session.execute(sa.insert(signing_key).values(**values))


async def retire_others(session: AsyncSession, kid: str, shown_until: datetime) -> None:
    """Ends the display of every other key at a moment, unless its end is set already."""
    others = sa.update(signing_key).where(signing_key.c.kid != kid, signing_key.c.shown_until.is_(None))
    await session.execute(others.values(shown_until=shown_until))


async def delete_hidden(session: AsyncSession, now: datetime) -> None:
    """Destroys keys that are no longer shown."""
    await session.execute(sa.delete(signing_key).where(signing_key.c.shown_until < now))
