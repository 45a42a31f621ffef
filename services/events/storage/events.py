"""Reading one organisation's events: one by id, or pages, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import event


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a list is narrowed to; times bound `time`, both excluded."""

    type: str | None = None
    source: str | None = None
    actor: str | None = None
    subject: str | None = None
    after: datetime | None = None
    before: datetime | None = None


async def find(session: AsyncSession, organization_id: UUID, event_id: UUID) -> Row[Any] | None:
    """An event by id, in the one partition that can hold it."""
    query = sa.select(event).where(event.c.id == event_id, event.c.organization_id == organization_id)
    return (await session.execute(query)).one_or_none()


async def find_many(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Those of the events that still exist."""
    query = sa.select(event).where(event.c.id.in_(ids), event.c.organization_id == organization_id)
    return (await session.execute(query)).all()


async def page(
    session: AsyncSession,
    organization_id: UUID,
    criteria: Criteria,
    below: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Events below a sort key (time, id), newest first."""
    statement = narrow(sa.select(event), organization_id, criteria)
    if below is not None:
        statement = statement.where(sa.tuple_(event.c.time, event.c.id) < _bound(below))
    ordered = statement.order_by(event.c.time.desc(), event.c.id.desc()).limit(limit)
    return (await session.execute(ordered)).all()


async def page_upwards(
    session: AsyncSession,
    organization_id: UUID,
    criteria: Criteria,
    above: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Events above a sort key (time, id), oldest first."""
    statement = narrow(sa.select(event), organization_id, criteria)
    if above is not None:
        statement = statement.where(sa.tuple_(event.c.time, event.c.id) > _bound(above))
    ordered = statement.order_by(event.c.time, event.c.id).limit(limit)
    return (await session.execute(ordered)).all()


def narrow(
    statement: sa.Select[*tuple[Any, ...]], organization_id: UUID, criteria: Criteria
) -> sa.Select[*tuple[Any, ...]]:
    """Adds the organisation and the criteria to a query on `event`."""
    statement = statement.where(event.c.organization_id == organization_id)
    for name in ("type", "source", "actor", "subject"):
        value = getattr(criteria, name)
        if value is not None:
            statement = statement.where(event.c[name] == value)
    if criteria.after is not None:
        statement = statement.where(event.c.time > criteria.after)
    if criteria.before is not None:
        statement = statement.where(event.c.time < criteria.before)
    return statement


def _bound(key: tuple[datetime, UUID]) -> sa.Tuple:
    return sa.tuple_(sa.literal(key[0], event.c.time.type), sa.literal(key[1], event.c.id.type))
