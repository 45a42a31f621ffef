"""Rows of people: found by address or id, whatever organisation the transaction is in."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import account, member, organization
from shared.database import Database

Account = sa.Row[Any]
_LOOK_UP = (
    "SELECT id, email, email_key, password_hash, verified_at, disabled_at, totp_enabled_at FROM account"
    " WHERE email_key = $1"
)


async def insert_new(session: AsyncSession, **values: Any) -> bool:
    """False when the address is taken."""
    statement = insert(account).values(**values).on_conflict_do_nothing(index_elements=["email_key"])
    return (await session.execute(statement.returning(account.c.id))).first() is not None


async def find(session: AsyncSession, user_id: UUID, *, lock: bool = False) -> Account | None:
    """The person with this id."""
    statement = sa.select(account).where(account.c.id == user_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).first()


async def find_by_email(session: AsyncSession, email_key: str) -> Account | None:
    """The person with this normalised address."""
    return (await session.execute(sa.select(account).where(account.c.email_key == email_key))).first()


async def look_up(database: Database, email_key: str) -> Any | None:
    """What a login begins with, in one round trip: who that is, how they prove it, and whether they may."""
    async with database.statements() as connection:
        found = await connection.fetchrow(_LOOK_UP, email_key)
    return None if found is None else SimpleNamespace(**found)


async def find_with_place(session: AsyncSession, user_id: UUID) -> Account | None:
    """The person, locked, with `place`: the living organisation to begin in, the personal one first."""
    living = (
        sa.select(organization.c.id)
        .join(member, member.c.organization_id == organization.c.id)
        .where(member.c.user_id == account.c.id, organization.c.disabled_at.is_(None))
        .order_by(organization.c.personal.desc(), organization.c.id)
        .limit(1)
    )
    statement = sa.select(account, living.scalar_subquery().label("place")).where(account.c.id == user_id)
    return (await session.execute(statement.with_for_update(of=account))).first()


async def update(session: AsyncSession, user_id: UUID, **values: Any) -> None:
    """Changes columns of one person."""
    await session.execute(sa.update(account).where(account.c.id == user_id).values(**values))


async def change_email(session: AsyncSession, user_id: UUID, email: str, email_key: str) -> bool:
    """False when another account has the address."""
    try:
        async with session.begin_nested():
            await update(session, user_id, email=email, email_key=email_key)
    except IntegrityError:
        return False
    return True


async def delete(session: AsyncSession, user_id: UUID) -> None:
    """Removes a person with sessions, codes and memberships."""
    await session.execute(sa.delete(account).where(account.c.id == user_id))
