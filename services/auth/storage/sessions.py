"""Rows of sessions and of the refresh tokens that continue them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import refresh_token
from services.auth.storage.tables import session as table
from shared.database import Database
from shared.testing import faults

_OPEN = sa.text(
    """
    WITH standing AS MATERIALIZED (
        SELECT member.role, account.platform_admin
          FROM organization
          JOIN member ON member.organization_id = organization.id
          JOIN account ON account.id = member.user_id
         WHERE organization.id = :organization_id AND member.user_id = :user_id
           AND organization.disabled_at IS NULL AND account.disabled_at IS NULL
           FOR SHARE
    ), begun AS (
        INSERT INTO session (id, user_id, active_organization_id, user_agent, address, created_at, seen_at, expires_at)
        SELECT :id, :user_id, :organization_id, :user_agent, :address, :now, :now, :expires_at FROM standing
    ), continued AS (
        INSERT INTO refresh_token (digest, session_id, salt, expires_at)
        SELECT :digest, :id, :salt, :idle_until FROM standing
    )
    SELECT role, platform_admin FROM standing
    """
)


async def open(session: AsyncSession, **values: Any) -> sa.Row[Any] | None:  # noqa: A001  # the module is the noun
    """Adds a session with its first refresh token, in one round trip; the person's standing, or None without any.

    Standing is share-locked as by `organizations.standing`.
    """
    return (await session.execute(_OPEN, values)).first()


# The same for a login, which also finds the organisation to begin in and writes itself down.
_LOG_IN = """
    WITH standing AS MATERIALIZED (
        SELECT organization.id, member.role, account.platform_admin
          FROM organization
          JOIN member ON member.organization_id = organization.id
          JOIN account ON account.id = member.user_id
         WHERE account.id = $1 AND account.password_hash = $2 AND account.totp_enabled_at IS NULL
           AND account.disabled_at IS NULL AND organization.disabled_at IS NULL
         ORDER BY organization.personal DESC, organization.id LIMIT 1
           FOR SHARE
    ), begun AS (
        INSERT INTO session (id, user_id, active_organization_id, user_agent, address, created_at, seen_at, expires_at)
        SELECT $3, $1, id, $4, $5, $6, $6, $7 FROM standing
    ), continued AS (
        INSERT INTO refresh_token (digest, session_id, salt, expires_at) SELECT $8, $3, $9, $10 FROM standing
    ), noted AS (
        INSERT INTO audit_entry (id, organization_id, actor, action, target, details, trace_id, at, address)
        SELECT $11, id, 'user:' || $1, 'session.started', $1::text, '{}', $12, $6, $13 FROM standing
    )
    SELECT id, role, platform_admin FROM standing
"""


async def log_in(database: Database, *values: Any) -> Any | None:
    """A session of a person without a second factor in one round trip and transaction: {id, role, platform_admin}.

    None when the password is another by now, or there is anything else to ask. `values` are the person's id and
    password hash, the session's id, user agent, address, beginning and end, digest, salt and end of its refresh token,
    the id and trace of the entry in the audit log, and from where.
    """
    async with database.statements() as connection:
        return await connection.fetchrow(_LOG_IN, *values)


async def lock(session: AsyncSession, session_id: UUID) -> sa.Row[Any] | None:
    """The session, which nobody else continues or ends until this transaction is over."""
    statement = sa.select(table).where(table.c.id == session_id)
    locked = statement if faults.active("refresh-unlocked") else statement.with_for_update()
    return (await session.execute(locked)).first()


async def update(session: AsyncSession, session_id: UUID, **values: Any) -> None:
    """Changes columns of one session."""
    await session.execute(sa.update(table).where(table.c.id == session_id).values(**values))


async def list_living(session: AsyncSession, user_id: UUID, now: datetime) -> list[sa.Row[Any]]:
    """A person's open sessions, the newest first."""
    statement = sa.select(table).where(table.c.user_id == user_id, *_living(now)).order_by(table.c.id.desc())
    return list((await session.execute(statement)).all())


async def end(
    session: AsyncSession,
    user_id: UUID,
    *,
    now: datetime,
    reason: str,
    only: UUID | None = None,
    but: UUID | None = None,
) -> list[sa.Row[Any]]:
    """Ends open sessions of a person: all, one, or all but one; returns (id, active_organization_id) of each."""
    wanted = [table.c.user_id == user_id, *_living(now)]
    wanted += [table.c.id == only] if only else []
    wanted += [table.c.id != but] if but else []
    statement = sa.update(table).where(*wanted).values(ended_at=now, end_reason=reason)
    return list((await session.execute(statement.returning(table.c.id, table.c.active_organization_id))).all())


async def insert_refresh(session: AsyncSession, **values: Any) -> None:
    """Adds a refresh token."""
    await session.execute(sa.insert(refresh_token).values(**values))


async def find_refresh(session: AsyncSession, digest: bytes) -> sa.Row[Any] | None:
    """The refresh token with this digest."""
    return (await session.execute(sa.select(refresh_token).where(refresh_token.c.digest == digest))).first()


async def mark_used(session: AsyncSession, digest: bytes, *, child: bytes, now: datetime) -> None:
    """Records that a token was exchanged for its child."""
    statement = sa.update(refresh_token).where(refresh_token.c.digest == digest).values(used_at=now, child=child)
    await session.execute(statement)


async def forget_expired(session: AsyncSession, session_id: UUID, now: datetime) -> None:
    """Deletes the refresh tokens of a session that are refused for their age, whoever presents them."""
    expired = sa.and_(refresh_token.c.session_id == session_id, refresh_token.c.expires_at <= now)
    await session.execute(sa.delete(refresh_token).where(expired))


async def purge(session: AsyncSession, before: datetime) -> int:
    """Forgets sessions that ended or expired before a moment, with their tokens."""
    gone = sa.or_(table.c.expires_at < before, table.c.ended_at < before)
    oldest = sa.select(table.c.id).where(gone).limit(1_000)
    return len((await session.scalars(sa.delete(table).where(table.c.id.in_(oldest)).returning(table.c.id))).all())


def _living(now: datetime) -> list[Any]:
    return [table.c.ended_at.is_(None), table.c.expires_at > now]
