"""Rows of invitations; only digests of their tokens are kept."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import invitation


async def insert(session: AsyncSession, **values: Any) -> None:
    """Adds an invitation, in place of one that waits for the same address."""
    same = (
        invitation.c.organization_id == values["organization_id"],
        invitation.c.email_key == values["email_key"],
        invitation.c.accepted_at.is_(None),
    )
    await session.execute(sa.delete(invitation).where(*same))
    await session.execute(sa.insert(invitation).values(**values))


async def page(session: AsyncSession, organization_id: UUID, before: UUID | None, limit: int) -> list[sa.Row[Any]]:
    """Invitations of one organisation, the newest first."""
    statement = sa.select(invitation).where(invitation.c.organization_id == organization_id)
    if before is not None:
        statement = statement.where(invitation.c.id < before)
    return list((await session.execute(statement.order_by(invitation.c.id.desc()).limit(limit))).all())


async def find_by_digest(session: AsyncSession, digest: bytes) -> sa.Row[Any] | None:
    """The invitation behind a token, of whatever organisation, locked."""
    statement = sa.select(invitation).where(invitation.c.digest == digest).with_for_update()
    return (await session.execute(statement)).first()


async def accept(session: AsyncSession, invitation_id: UUID, now: datetime) -> None:
    """Marks one as used."""
    await session.execute(sa.update(invitation).where(invitation.c.id == invitation_id).values(accepted_at=now))


async def delete(session: AsyncSession, organization_id: UUID, invitation_id: UUID) -> bool:
    """False when the organisation has no such invitation waiting."""
    wanted = (
        invitation.c.organization_id == organization_id,
        invitation.c.id == invitation_id,
        invitation.c.accepted_at.is_(None),
    )
    return (await session.execute(sa.delete(invitation).where(*wanted).returning(invitation.c.id))).first() is not None
