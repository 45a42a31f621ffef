"""Rows of `webhook` and `webhook_delivery`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.storage.tables import webhook, webhook_delivery
from shared.database import Database

Row = RowMapping

_ANY_DUE = """
SELECT true FROM webhook_delivery JOIN webhook ON webhook.id = webhook_id
WHERE status = 'pending' AND due_at <= $1 AND active ORDER BY due_at LIMIT 1
"""


async def insert(session: AsyncSession, values: Mapping[str, Any]) -> Row:
    """The new webhook."""
    row: Row = (await session.execute(sa.insert(webhook).values(**values).returning(webhook))).mappings().one()
    return row


async def find(session: AsyncSession, organization_id: UUID, webhook_id: UUID) -> Row | None:
    """One webhook."""
    statement = sa.select(webhook).filter_by(organization_id=organization_id, id=webhook_id)
    row: Row | None = (await session.execute(statement)).mappings().first()
    return row


async def page(session: AsyncSession, organization_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Row]:
    """Up to `limit`, the newest first, older than `before`."""
    statement = sa.select(webhook).filter_by(organization_id=organization_id)
    statement = statement if before is None else statement.where(webhook.c.id < before)
    rows: Sequence[Row] = (await session.execute(statement.order_by(webhook.c.id.desc()).limit(limit))).mappings().all()
    return rows


async def update(
    session: AsyncSession, organization_id: UUID, webhook_id: UUID, values: Mapping[str, Any]
) -> Row | None:
    """The changed webhook, or None when there is none."""
    statement = sa.update(webhook).filter_by(organization_id=organization_id, id=webhook_id).values(**values)
    row: Row | None = (await session.execute(statement.returning(webhook))).mappings().first()
    return row


async def delete(session: AsyncSession, organization_id: UUID, webhook_id: UUID) -> bool:
    """Whether there was one to delete."""
    statement = sa.delete(webhook).filter_by(organization_id=organization_id, id=webhook_id)
    return (await session.execute(statement.returning(webhook.c.id))).first() is not None


async def delete_organization(session: AsyncSession, organization_id: UUID) -> None:
    """Everything of an organisation that is no more."""
    await session.execute(sa.delete(webhook).filter_by(organization_id=organization_id))


async def anonymize(session: AsyncSession, word: str, organizations: Sequence[UUID]) -> None:
    """Put `deleted` in the place of a word in what was sent or will be."""
    words = sa.cast(webhook_delivery.c.data, sa.Text)
    data = sa.cast(sa.func.replace(words, word, "deleted"), webhook_delivery.c.data.type)
    named = (webhook_delivery.c.organization_id.in_(organizations), words.contains(word, autoescape=True))
    await session.execute(sa.update(webhook_delivery).where(*named).values(data=data))


async def listening(session: AsyncSession, organization_id: UUID, kind: str) -> Sequence[UUID]:
    """Active webhooks that want a type; no types are all types."""
    statement = sa.select(webhook.c.id).filter_by(organization_id=organization_id, active=True).where(_wants(kind))
    return (await session.execute(statement)).scalars().all()


async def audience(session: AsyncSession, kind: str, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Organisations with an active webhook that wants a type, by id."""
    statement = sa.select(webhook.c.organization_id).filter_by(active=True).where(_wants(kind)).distinct()
    statement = statement if after is None else statement.where(webhook.c.organization_id > after)
    return (await session.execute(statement.order_by(webhook.c.organization_id).limit(limit))).scalars().all()


def _wants(kind: str) -> "sa.ColumnElement[bool]":
    return sa.or_(sa.func.cardinality(webhook.c.types) == 0, sa.literal(kind) == sa.func.any(webhook.c.types))


async def add_deliveries(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """New deliveries, due at once."""
    if rows:
        await session.execute(sa.insert(webhook_delivery), list(rows))


async def deliveries(
    session: AsyncSession,
    organization_id: UUID,
    webhook_id: UUID,
    *,
    before: UUID | None,
    status: str | None,
    limit: int,
) -> Sequence[Row]:
    """The log of a webhook, the newest first."""
    table = webhook_delivery
    statement = sa.select(table).filter_by(organization_id=organization_id, webhook_id=webhook_id)
    statement = statement if before is None else statement.where(table.c.id < before)
    statement = statement if status is None else statement.where(table.c.status == status)
    rows: Sequence[Row] = (await session.execute(statement.order_by(table.c.id.desc()).limit(limit))).mappings().all()
    return rows


async def change_delivery(
    session: AsyncSession, organization_id: UUID, webhook_id: UUID, delivery_id: UUID, values: Mapping[str, Any]
) -> Row | None:
    """The changed delivery, or None when there is none."""
    table = webhook_delivery
    where = {"organization_id": organization_id, "webhook_id": webhook_id, "id": delivery_id}
    statement = sa.update(table).filter_by(**where).values(**values).returning(table)
    row: Row | None = (await session.execute(statement)).mappings().first()
    return row


def is_waiting() -> sa.ColumnElement[bool]:
    """Which deliveries are still to be made."""
    awake = sa.select(webhook.c.id).where(webhook.c.active)
    return sa.and_(webhook_delivery.c.status == "pending", webhook_delivery.c.webhook_id.in_(awake))


async def any_due(database: Database, now: datetime) -> bool:
    """Whether there may be something to claim."""
    return bool(await database.look(_ANY_DUE, now))


async def claim(
    session: AsyncSession, now: datetime, lease: timedelta, *, limit: int, each: int, busy: Sequence[UUID]
) -> list[dict[str, Any]]:
    """Due deliveries with their webhooks, at most `each` of one active webhook, none of the busy (system role)."""
    table = webhook_delivery
    is_due = sa.and_(table.c.due_at <= now, is_waiting())
    place = sa.func.row_number().over(partition_by=table.c.webhook_id, order_by=table.c.due_at).label("place")
    ranked = sa.select(table.c.id, table.c.due_at, place).where(is_due, table.c.webhook_id.not_in(busy)).subquery()
    chosen = sa.select(ranked.c.id).where(ranked.c.place <= each).order_by(ranked.c.due_at).limit(limit)
    locked = sa.select(table.c.id).where(table.c.id.in_(chosen), is_due).with_for_update(skip_locked=True)
    claimed = sa.update(table).where(table.c.id.in_(locked)).values(due_at=now + lease).returning(table)
    rows = (await session.execute(claimed)).mappings().all()
    owners = sa.select(webhook).where(webhook.c.id.in_({row["webhook_id"] for row in rows}))
    known = {row["id"]: row for row in (await session.execute(owners)).mappings()}
    return [{**row, "webhook": known[row["webhook_id"]]} for row in rows]


async def settle(session: AsyncSession, delivery_id: UUID, values: Mapping[str, Any]) -> None:
    """The outcome of one attempt (system role)."""
    await session.execute(sa.update(webhook_delivery).where(webhook_delivery.c.id == delivery_id).values(**values))


async def note_success(session: AsyncSession, webhook_id: UUID) -> None:
    """A receiver that takes what it is sent is not failing (system role)."""
    await session.execute(sa.update(webhook).where(webhook.c.id == webhook_id).values(failing_since=None))


async def note_failure(session: AsyncSession, webhook_id: UUID, now: datetime) -> None:
    """The first failure since the last success is when it began (system role)."""
    statement = sa.update(webhook).where(webhook.c.id == webhook_id, webhook.c.failing_since.is_(None))
    await session.execute(statement.values(failing_since=now))


async def disable(session: AsyncSession, webhook_id: UUID, why: str) -> bool:
    """Whether it was active until now (system role)."""
    statement = sa.update(webhook).where(webhook.c.id == webhook_id, webhook.c.active)
    values = {"active": False, "disabled": why}
    return (await session.execute(statement.values(**values).returning(webhook.c.id))).first() is not None


async def purge(session: AsyncSession, before: datetime) -> None:
    """Forget settled deliveries made before (system role)."""
    table = webhook_delivery
    await session.execute(sa.delete(table).where(table.c.created_at < before, table.c.status != "pending"))
