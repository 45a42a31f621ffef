"""Rows of organisations and of who belongs to them."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import account, member, organization


async def insert(session: AsyncSession, **values: Any) -> None:
    """Adds an organisation."""
    await session.execute(sa.insert(organization).values(**values))


async def find(session: AsyncSession, organization_id: UUID, *, lock: bool = False) -> sa.Row[Any] | None:
    """One organisation; `lock` makes every change of its members wait for this transaction."""
    statement = sa.select(organization).where(organization.c.id == organization_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).first()


async def update(session: AsyncSession, organization_id: UUID, **values: Any) -> None:
    """Changes columns of one organisation."""
    await session.execute(sa.update(organization).where(organization.c.id == organization_id).values(**values))


async def delete(session: AsyncSession, organization_id: UUID) -> None:
    """Removes an organisation with its members, invitations and keys."""
    await session.execute(sa.delete(organization).where(organization.c.id == organization_id))


async def list_of_user(session: AsyncSession, user_id: UUID) -> list[sa.Row[Any]]:
    """The living organisations of one person with the role there, the personal one first."""
    statement = (
        sa.select(organization, member.c.role)
        .join(member, member.c.organization_id == organization.c.id)
        .where(member.c.user_id == user_id, organization.c.disabled_at.is_(None))
        .order_by(organization.c.personal.desc(), organization.c.id)
    )
    return list((await session.execute(statement)).all())


async def list_all_of_user(session: AsyncSession, user_id: UUID) -> list[Any]:
    """Every organisation of one person, those switched off among them, in the order in which they may be locked."""
    statement = (
        sa.select(organization, member.c.role)
        .join(member, member.c.organization_id == organization.c.id)
        .where(member.c.user_id == user_id)
        .order_by(organization.c.id)
    )
    return list((await session.execute(statement)).all())


async def standing(session: AsyncSession, user_id: UUID, organization_id: UUID) -> sa.Row[Any, Any] | None:
    """Role and platform right of an active person in an active organisation.

    The rows stay share-locked, the organisation's first as everywhere, so that a change of any of them waits until a
    token made from this is out, and its revocation is dated later than the token.
    """
    statement = (
        sa.select(member.c.role, account.c.platform_admin)
        .select_from(organization)
        .join(member, member.c.organization_id == organization.c.id)
        .join(account, account.c.id == member.c.user_id)
        .where(
            member.c.user_id == user_id,
            member.c.organization_id == organization_id,
            account.c.disabled_at.is_(None),
            organization.c.disabled_at.is_(None),
        )
        .with_for_update(read=True)
    )
    return (await session.execute(statement)).first()
