"""Rows that bind people to organisations."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import account, member


async def add(session: AsyncSession, **values: Any) -> bool:
    """False when the person belongs to the organisation already."""
    statement = insert(member).values(**values).on_conflict_do_nothing()
    return (await session.execute(statement.returning(member.c.user_id))).first() is not None


async def find(session: AsyncSession, organization_id: UUID, user_id: UUID) -> Any:
    """One member with name and address, or None."""
    statement = _with_names().where(member.c.organization_id == organization_id, member.c.user_id == user_id)
    return (await session.execute(statement)).first()


async def page(session: AsyncSession, organization_id: UUID, after: UUID | None, limit: int) -> list[sa.Row[Any]]:
    """Members in the order of their ids."""
    statement = _with_names().where(member.c.organization_id == organization_id).order_by(member.c.user_id)
    if after is not None:
        statement = statement.where(member.c.user_id > after)
    return list((await session.execute(statement.limit(limit))).all())


async def owners(session: AsyncSession, organization_id: UUID) -> set[UUID]:
    """Who owns the organisation; meaningful while it is locked."""
    statement = sa.select(member.c.user_id).where(member.c.organization_id == organization_id, member.c.role == "owner")
    return set((await session.scalars(statement)).all())


async def addresses(session: AsyncSession, organization_id: UUID, roles: Sequence[str]) -> Sequence[str]:
    """Where the members of some roles get letters."""
    joined = sa.select(account.c.email).join(member, account.c.id == member.c.user_id)
    chosen = joined.where(member.c.organization_id == organization_id, member.c.role.in_(roles))
    return (await session.execute(chosen.order_by(account.c.email))).scalars().all()


async def approvers(
    session: AsyncSession, organization_id: UUID, roles: Sequence[str], users: Sequence[UUID], without: str | None
) -> Sequence[str]:
    """Where the members of some roles, and some members, get letters; `without` is `user:<id>` of somebody left out."""
    joined = sa.select(account.c.email).join(member, account.c.id == member.c.user_id)
    chosen = joined.where(
        member.c.organization_id == organization_id,
        sa.or_(member.c.role.in_(roles), member.c.user_id.in_(users)),
        sa.literal("user:") + sa.cast(member.c.user_id, sa.Text) != (without or ""),
    )
    return (await session.execute(chosen.order_by(account.c.email))).scalars().all()


async def count(session: AsyncSession, organization_id: UUID) -> int:
    """How many belong to the organisation."""
    statement = sa.select(sa.func.count()).select_from(member).where(member.c.organization_id == organization_id)
    return await session.scalar(statement) or 0


async def set_role(session: AsyncSession, organization_id: UUID, user_id: UUID, role: str) -> None:
    """Changes what a member may do."""
    statement = sa.update(member).where(member.c.organization_id == organization_id, member.c.user_id == user_id)
    await session.execute(statement.values(role=role))


async def remove(session: AsyncSession, organization_id: UUID, user_id: UUID) -> None:
    """Takes a person out of the organisation."""
    await session.execute(
        sa.delete(member).where(member.c.organization_id == organization_id, member.c.user_id == user_id)
    )


def _with_names() -> sa.Select[Any]:
    return sa.select(member, account.c.email, account.c.name).join(account, account.c.id == member.c.user_id)
