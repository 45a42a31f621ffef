"""Rows of links that work once, and of recovery codes; only digests are kept."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import one_time_token, recovery_code


async def insert(session: AsyncSession, **values: Any) -> None:
    """Adds a token, which replaces earlier ones of the same person and purpose."""
    await forget(session, values["user_id"], values["purpose"])
    await session.execute(sa.insert(one_time_token).values(**values))


async def take(session: AsyncSession, digest: bytes, purposes: tuple[str, ...], now: datetime) -> sa.Row[Any] | None:
    """Uses a token up; None when it is unknown, expired or for something else."""
    wanted = (
        one_time_token.c.digest == digest,
        one_time_token.c.purpose.in_(purposes),
        one_time_token.c.expires_at > now,
    )
    return (await session.execute(sa.delete(one_time_token).where(*wanted).returning(one_time_token))).first()


async def forget(session: AsyncSession, user_id: UUID, purpose: str) -> None:
    """Makes earlier tokens of one purpose useless."""
    wanted = (one_time_token.c.user_id == user_id, one_time_token.c.purpose == purpose)
    await session.execute(sa.delete(one_time_token).where(*wanted))


async def purge(session: AsyncSession, before: datetime) -> None:
    """Forgets expired tokens."""
    await session.execute(sa.delete(one_time_token).where(one_time_token.c.expires_at < before))


async def replace_recovery_codes(session: AsyncSession, user_id: UUID, digests: list[bytes]) -> None:
    """Puts these codes in the place of the earlier ones."""
    await session.execute(sa.delete(recovery_code).where(recovery_code.c.user_id == user_id))
    if digests:
        rows = [{"user_id": user_id, "digest": digest} for digest in digests]
        await session.execute(sa.insert(recovery_code), rows)


async def take_recovery_code(session: AsyncSession, user_id: UUID, digest: bytes) -> bool:
    """Uses a code up; False when the person has no such code."""
    wanted = (recovery_code.c.user_id == user_id, recovery_code.c.digest == digest)
    return (await session.execute(sa.delete(recovery_code).where(*wanted).returning(recovery_code))).first() is not None


async def count_recovery_codes(session: AsyncSession, user_id: UUID) -> int:
    """How many codes are left."""
    statement = sa.select(sa.func.count()).select_from(recovery_code).where(recovery_code.c.user_id == user_id)
    return await session.scalar(statement) or 0
