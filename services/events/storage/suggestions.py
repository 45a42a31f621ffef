"""Suggestions of an organisation; each change gets a position, so that sockets can catch up."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.log import Position, Span
from services.events.storage.tables import log_epoch, suggestion
from shared import ids

_TEXTS = (
    "title", "reasoning", "confidence", "minutes_per_week", "score", "workflow", "evidence", "backtest", "person",
    "details",
)  # fmt: skip
# Of what an erasure withdrew nothing is left but what was decided.
_TOLD = suggestion.c.evidence != sa.cast([], suggestion.c.evidence.type)
_EPOCH = sa.select(sa.func.max(log_epoch.c.epoch)).scalar_subquery()
_POSITION: dict[str, Any] = {
    "epoch": _EPOCH,
    "xid": sa.cast(sa.cast(sa.func.pg_current_xact_id(), sa.Text), sa.BigInteger),
    "sequence": sa.func.nextval("event_sequence"),
}


async def replace(
    session: AsyncSession, organization_id: UUID, found: Sequence[dict[str, Any]], now: datetime
) -> list[tuple[UUID, dict[str, Any]]]:
    """Stores a mining's proposals; the same pattern keeps id and status, others that are open retire.

    Answers those that are new, with their ids.
    """
    created: list[tuple[UUID, dict[str, Any]]] = []
    for item in found:
        texts = {name: item[name] for name in _TEXTS}
        changes = {**texts, "retired_at": None, "changed_at": now, **_POSITION}
        suggestion_id = ids.new()
        statement = insert(suggestion).values(
            id=suggestion_id, organization_id=organization_id, pattern_id=item["pattern_id"], status="open",
            created_at=now, **changes,
        )  # fmt: skip
        differs = sa.or_(
            suggestion.c.retired_at.is_not(None),
            *(suggestion.c[name].is_distinct_from(statement.excluded[name]) for name in texts),
        )
        stored = statement.on_conflict_do_update(
            index_elements=["organization_id", "pattern_id"], set_=changes, where=differs
        )
        if (await session.execute(stored.returning(suggestion.c.id))).scalar_one_or_none() == suggestion_id:
            created.append((suggestion_id, item))
    gone = sa.update(suggestion).where(
        suggestion.c.organization_id == organization_id,
        suggestion.c.retired_at.is_(None),
        suggestion.c.status == "open",
        suggestion.c.pattern_id.not_in([item["pattern_id"] for item in found]),
    )
    await session.execute(gone.values(retired_at=now, changed_at=now, **_POSITION))
    return created


async def find(session: AsyncSession, organization_id: UUID, suggestion_id: UUID) -> Row[Any] | None:
    """One suggestion, retired or not."""
    query = sa.select(suggestion).where(
        suggestion.c.id == suggestion_id, suggestion.c.organization_id == organization_id, _TOLD
    )
    return (await session.execute(query)).one_or_none()


async def of_workflow(session: AsyncSession, organization_id: UUID, workflow_id: UUID) -> Row[Any] | None:
    """The suggestion that became a workflow."""
    query = sa.select(suggestion).where(
        suggestion.c.workflow_id == workflow_id, suggestion.c.organization_id == organization_id
    )
    return (await session.execute(query)).one_or_none()


async def page(
    session: AsyncSession,
    organization_id: UUID,
    *,
    limit: int,
    status: str | None = None,
    below: tuple[float, UUID] | None = None,
    factors: Mapping[tuple[str, str], float] | None = None,
) -> Sequence[Row[Any]]:
    """Suggestions in force, best first, each with its `rank`.

    factors: what the score is multiplied by where the workflow waits for a (source, type) first.
    """
    rank = _rank(factors or {})
    query = sa.select(suggestion, rank.label("rank")).where(
        suggestion.c.organization_id == organization_id, suggestion.c.retired_at.is_(None)
    )
    if status is not None:
        query = query.where(suggestion.c.status == status)
    if below is not None:
        score, last = below
        query = query.where(
            sa.tuple_(rank, suggestion.c.id)
            < sa.tuple_(sa.literal(score, suggestion.c.score.type), sa.literal(last, suggestion.c.id.type))
        )
    query = query.order_by(rank.desc(), suggestion.c.id.desc()).limit(limit)
    return (await session.execute(query)).all()


def _rank(factors: Mapping[tuple[str, str], float]) -> sa.ColumnElement[float]:
    if not factors:
        return suggestion.c.score
    trigger = suggestion.c.workflow["trigger"]
    begins = sa.func.coalesce(trigger["after"], trigger["match"])
    cases = [
        (sa.and_(begins["source"].astext == source, begins["type"].astext == kind), sa.literal(factor, sa.Float))
        for (source, kind), factor in factors.items()
    ]
    return suggestion.c.score * sa.case(*cases, else_=sa.literal(1.0, sa.Float))


async def change(
    session: AsyncSession, suggestion_id: UUID, now: datetime, *, unless: Sequence[str] = (), **values: Any
) -> bool:
    """Changes a suggestion unless it has one of some states; whether it was changed."""
    statement = sa.update(suggestion).where(suggestion.c.id == suggestion_id, suggestion.c.status.not_in(list(unless)))
    changed = await session.execute(statement.values(**values, changed_at=now, **_POSITION).returning(suggestion.c.id))
    return changed.first() is not None


async def between(session: AsyncSession, organizations: Iterable[UUID], span: Span, limit: int) -> Sequence[Row[Any]]:
    """Some organisations' suggestions that changed after a position and before a head, in the order of the changes."""
    place = sa.tuple_(suggestion.c.epoch, suggestion.c.xid, suggestion.c.sequence)
    stretch = (place > _bound(span.after), place < _bound(span.head))
    query = sa.select(suggestion).where(suggestion.c.organization_id.in_(list(organizations)), _TOLD, *stretch)
    ordered = query.order_by(suggestion.c.epoch, suggestion.c.xid, suggestion.c.sequence).limit(limit)
    return (await session.execute(ordered)).all()


def _bound(position: Position) -> sa.Tuple:
    types = (suggestion.c.epoch.type, suggestion.c.xid.type, suggestion.c.sequence.type)
    return sa.tuple_(*(sa.literal(part, kind) for part, kind in zip(position, types, strict=True)))
