"""Deleting what has served its time."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import idempotency_key, inbox_message


async def purge_idempotency(session: AsyncSession, before: datetime) -> None:
    """Forgets answers that nobody can replay any more."""
    await session.execute(sa.delete(idempotency_key).where(idempotency_key.c.created_at < before))


async def purge_inbox(session: AsyncSession, before: datetime) -> None:
    """Forgets messages that no relay delivers again."""
    await session.execute(sa.delete(inbox_message).where(inbox_message.c.received_at < before))
