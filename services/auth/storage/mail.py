"""The queue of letters to people; what they say is sealed, because links in them open accounts."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import mail
from shared.database import Database

_ANY_DUE = "SELECT true FROM mail WHERE due_at <= $1 ORDER BY due_at LIMIT 1"


async def insert(session: AsyncSession, **values: Any) -> None:
    """Adds a letter."""
    await session.execute(sa.insert(mail).values(**values))


async def any_due(database: Database, now: datetime) -> bool:
    """Whether there may be something to lease."""
    return bool(await database.look(_ANY_DUE, now))


async def lease(session: AsyncSession, now: datetime, until: datetime, limit: int) -> list[sa.Row[Any]]:
    """Letters that are due, oldest first, kept from other workers until a moment."""
    due = (sa.select(mail.c.id).where(mail.c.due_at <= now).order_by(mail.c.due_at).limit(limit)).with_for_update(
        skip_locked=True
    )
    taken = sa.update(mail).where(mail.c.id.in_(due)).values(due_at=until, attempts=mail.c.attempts + 1)
    return sorted((await session.execute(taken.returning(mail))).all(), key=lambda row: row.id)


async def delete(session: AsyncSession, mail_id: UUID) -> None:
    """Forgets a letter, sent or given up."""
    await session.execute(sa.delete(mail).where(mail.c.id == mail_id))


async def postpone(session: AsyncSession, mail_id: UUID, due_at: datetime) -> None:
    """Tries a letter again later."""
    await session.execute(sa.update(mail).where(mail.c.id == mail_id).values(due_at=due_at))
