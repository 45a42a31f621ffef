"""Triggers registered by workflows."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import subscription
from shared.database import Database

_ANY_LATE = "SELECT true FROM subscription WHERE catch_up_from IS NOT NULL AND active LIMIT 1"


async def put(session: AsyncSession, *, trigger_id: UUID, **values: Any) -> None:
    """Stores a subscription; an older change than the one known is ignored."""
    statement = insert(subscription).values(trigger_id=trigger_id, **values)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["trigger_id"], set_=values, where=subscription.c.revision < values["revision"]
        )
    )


async def active_of(session: AsyncSession, organizations: Iterable[UUID]) -> Sequence[Row[Any]]:
    """The active subscriptions of some organisations."""
    query = sa.select(subscription).where(
        subscription.c.organization_id.in_(list(organizations)), subscription.c.active
    )
    return (await session.execute(query)).all()


async def any_to_catch_up(database: Database) -> bool:
    """Whether there are any."""
    return bool(await database.look(_ANY_LATE))


async def to_catch_up(session: AsyncSession, limit: int) -> Sequence[Row[Any]]:
    """Active subscriptions that have not seen what happened while they were on their way here."""
    query = sa.select(subscription).where(subscription.c.catch_up_from.is_not(None), subscription.c.active)
    return (await session.execute(query.limit(limit))).all()


async def caught_up(session: AsyncSession, row: Row[Any]) -> None:
    """Notes that a subscription has seen them, unless it changed meanwhile."""
    statement = sa.update(subscription).where(
        subscription.c.trigger_id == row.trigger_id, subscription.c.catch_up_from == row.catch_up_from
    )
    await session.execute(statement.values(catch_up_from=None))
