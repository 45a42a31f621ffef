"""Rows of `hook` and `hook_delivery`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.dialects.postgresql import insert as insert_
from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.storage.tables import hook, hook_delivery
from shared.database import Database

Row = RowMapping

_ANY_DUE = "SELECT true FROM hook_delivery WHERE forwarded_at IS NULL AND due_at <= $1 ORDER BY due_at LIMIT 1"


async def insert(session: AsyncSession, values: Mapping[str, Any]) -> RowMapping:
    """The new hook."""
    row: Row = (await session.execute(sa.insert(hook).values(**values).returning(hook))).mappings().one()
    return row


async def find_anywhere(session: AsyncSession, hook_id: UUID) -> RowMapping | None:
    """A hook by its public id alone, since its sender knows no organisation (system role)."""
    row: RowMapping | None = (await session.execute(sa.select(hook).filter_by(id=hook_id))).mappings().first()
    return row


async def find(session: AsyncSession, organization_id: UUID, integration_id: UUID, hook_id: UUID) -> RowMapping | None:
    """One hook of an integration."""
    statement = sa.select(hook).filter_by(organization_id=organization_id, integration_id=integration_id, id=hook_id)
    row: RowMapping | None = (await session.execute(statement)).mappings().first()
    return row


async def of_integration(session: AsyncSession, organization_id: UUID, integration_id: UUID) -> Sequence[RowMapping]:
    """Every hook of an integration, the newest first."""
    statement = sa.select(hook).filter_by(organization_id=organization_id, integration_id=integration_id)
    return (await session.execute(statement.order_by(hook.c.id.desc()))).mappings().all()


async def reseal(session: AsyncSession, hook_id: UUID, key_id: str, sealed: bytes) -> None:
    """Replace the sealed secrets."""
    await session.execute(sa.update(hook).where(hook.c.id == hook_id).values(key_id=key_id, sealed=sealed))


async def delete(session: AsyncSession, organization_id: UUID, integration_id: UUID, hook_id: UUID) -> bool:
    """Whether there was one to delete."""
    statement = sa.delete(hook).filter_by(organization_id=organization_id, integration_id=integration_id, id=hook_id)
    return (await session.execute(statement.returning(hook.c.id))).first() is not None


async def receive(session: AsyncSession, values: Mapping[str, Any]) -> bool:
    """Whether the delivery is the first of its id; a racing twin waits for the winner's commit."""
    statement = insert_(hook_delivery).values(**values).on_conflict_do_nothing()
    return (await session.execute(statement.returning(hook_delivery.c.hook_id))).first() is not None


async def any_due(database: Database, now: datetime) -> bool:
    """Whether there may be something to lease."""
    return bool(await database.look(_ANY_DUE, now))


async def lease(session: AsyncSession, now: datetime, lease_for: timedelta, limit: int) -> Sequence[RowMapping]:
    """Deliveries due to be forwarded, pushed out of reach of other workers (system role)."""
    table = hook_delivery
    due = (
        sa.select(table.c.hook_id, table.c.delivery_id)
        .where(table.c.forwarded_at.is_(None), table.c.due_at <= now)
        .order_by(table.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        sa.update(table)
        .where(sa.tuple_(table.c.hook_id, table.c.delivery_id).in_(due))
        .values(due_at=now + lease_for, attempts=table.c.attempts + 1)
        .returning(table)
    )
    rows: Sequence[Row] = (await session.execute(statement)).mappings().all()
    return rows


async def settle(session: AsyncSession, row: RowMapping, values: Mapping[str, Any]) -> None:
    """The outcome of one leased delivery (system role)."""
    where = {"hook_id": row["hook_id"], "delivery_id": row["delivery_id"]}
    await session.execute(sa.update(hook_delivery).filter_by(**where).values(**values))


async def purge(session: AsyncSession, before: datetime) -> int:
    """Forget the ids of forwarded deliveries received before; how many (system role)."""
    table = hook_delivery
    old = sa.delete(table).where(table.c.received_at < before, table.c.forwarded_at.is_not(None))
    return len((await session.execute(old.returning(table.c.hook_id))).all())
