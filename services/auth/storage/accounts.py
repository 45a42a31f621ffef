"""Rows of people: found by address or id, whatever organisation the transaction is in."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import account

Account = sa.Row[Any]


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
