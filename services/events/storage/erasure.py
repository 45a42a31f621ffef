"""Deleting events with their keys, a bounded piece at a time."""

import itertools
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import tables
from services.events.storage.tables import event, event_key

_NAMES = ("id", "organization_id", "time", "type", "actor", "source", "external_id", "epoch", "xid", "sequence")
_COLUMNS: list[sa.ColumnElement[Any]] = [event.c[name] for name in _NAMES]
_DERIVED = (
    "pattern", "suggestion", "decision", "mining_setting", "mining_state", "mining_chunk", "rejection", "upload_chunk",
    "subscription", "stat", "capture_filter", "retention",
)  # fmt: skip


_DECIDED = ("applied", "dismissed")
_NOTHING: dict[str, Any] = {"title": "", "reasoning": "", "workflow": {}, "evidence": [], "backtest": {}}


async def page(
    session: AsyncSession, organization_id: UUID, above: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """An organisation's events, oldest first, without their data."""
    query = sa.select(*_COLUMNS).where(event.c.organization_id == organization_id)
    if above is not None:
        bound = (sa.literal(above[0], event.c.time.type), sa.literal(above[1], event.c.id.type))
        query = query.where(sa.tuple_(event.c.time, event.c.id) > sa.tuple_(*bound))
    return (await session.execute(query.order_by(event.c.time, event.c.id).limit(limit))).all()


async def page_before(session: AsyncSession, moment: datetime, above: UUID, limit: int) -> Sequence[Row[Any]]:
    """Everybody's events received before a moment, in the order of their ids."""
    query = sa.select(*_COLUMNS).where(event.c.id < sa.func.uuid_bound(moment), event.c.id > above)
    return (await session.execute(query.order_by(event.c.id).limit(limit))).all()


async def delete(session: AsyncSession, rows: Sequence[Row[Any]]) -> Sequence[UUID]:
    """Deletes events and frees their keys; the ids of those that were still there."""
    if not rows:
        return []
    keys: dict[str, list[Any]] = {name: [] for name in ("organization_id", "source", "external_id", "id")}
    for row in rows:
        if row.external_id is not None:
            for name, values in keys.items():
                values.append(getattr(row, name))
    if keys["id"]:
        await session.execute(
            text(
                "DELETE FROM event_key USING unnest(CAST(:organization_id AS uuid[]), CAST(:source AS text[]), "
                "CAST(:external_id AS text[]), CAST(:id AS uuid[])) AS gone (organization_id, source, external_id, id) "
                "WHERE event_key.organization_id = gone.organization_id AND event_key.source = gone.source "
                "AND event_key.external_id = gone.external_id AND event_key.event_id = gone.id"
            ),
            keys,
        )
    statement = sa.delete(event).where(event.c.id.in_([row.id for row in rows]))
    return (await session.scalars(statement.returning(event.c.id))).all()


async def delete_derived(session: AsyncSession, organization_id: UUID) -> None:
    """Deletes everything that an organisation keeps here beside its events."""
    for name in _DERIVED:
        table = tables.metadata.tables[name]
        await session.execute(sa.delete(table).where(table.c.organization_id == organization_id))


async def withdraw(
    session: AsyncSession, organization_id: UUID, actor: str, offered: Collection[UUID], now: datetime
) -> None:
    """Deletes patterns that are no longer found, and suggestions of patterns that are not `offered`: they tell of
    events that are gone.

    Where somebody decided, the decision stays beside the pattern's key, and nothing of the content, so that it holds
    when the same is found again. The keys of the actor's own habits, which the name is a part of, go as well.
    """
    pattern, suggestion = tables.pattern, tables.suggestion
    habits = sa.select(pattern.c.id).where(pattern.c.organization_id == organization_id, pattern.c.kind == "habit")
    habit = suggestion.c.pattern_id.in_(habits)
    gone = (suggestion.c.organization_id == organization_id, suggestion.c.pattern_id.not_in(list(offered)))
    undecided = suggestion.c.status.not_in(_DECIDED)
    await session.execute(
        sa.delete(suggestion).where(*gone, sa.or_(undecided, sa.and_(habit, suggestion.c.person == actor)))
    )
    kept = {name: suggestion.c.details[name] for name in ("kind", "certainty")}
    person = sa.case((habit, suggestion.c.person))
    details = sa.func.jsonb_build_object(*itertools.chain(*kept.items()))
    emptied = sa.update(suggestion).where(*gone).values(**_NOTHING, person=person, details=details, retired_at=now)
    await session.execute(emptied)
    retired = (pattern.c.organization_id == organization_id, pattern.c.retired_at.is_not(None))
    decided = sa.select(suggestion.c.pattern_id).where(suggestion.c.organization_id == organization_id)
    await session.execute(sa.delete(pattern).where(*retired, pattern.c.id.not_in(decided)))
    await session.execute(sa.update(pattern).where(*retired).values(steps=[], figures={}, evidence=[]))


async def partitions(session: AsyncSession) -> list[str]:
    """The names of the log's partitions, oldest first."""
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event'::regclass ORDER BY 1"
    return list(await session.scalars(text(query)))


async def drop_partition(session: AsyncSession, name: str) -> None:
    """Drops a month."""
    await session.execute(text("SELECT drop_event_partition(:name)"), {"name": name})


async def purge_keys(session: AsyncSession, before: datetime, limit: int) -> int:
    """Frees keys of events received before a moment, whose partition is gone; how many."""
    piece: sa.Select[Any] = (
        sa.select(sa.literal_column("ctid"))
        .select_from(event_key)
        .where(event_key.c.event_id < sa.func.uuid_bound(before))
        .limit(limit)
    )
    gone = await session.scalars(
        sa.delete(event_key).where(sa.literal_column("ctid").in_(piece)).returning(event_key.c.event_id)
    )
    return len(gone.all())


async def retention_days(session: AsyncSession) -> dict[UUID, int]:
    """Organisations that chose for themselves, and how many days."""
    rows = await session.execute(sa.select(tables.retention.c.organization_id, tables.retention.c.days))
    return {row.organization_id: row.days for row in rows}
