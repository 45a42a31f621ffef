"""Patterns found in an organisation's events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import pattern
from shared import ids


async def replace(
    session: AsyncSession, organization_id: UUID, found: Sequence[dict[str, Any]], now: datetime
) -> dict[bytes, UUID]:
    """Stores what a mining found; the same key keeps its id, what was not found again retires. Ids by key."""
    known: dict[bytes, UUID] = {}
    for item in found:
        values = {**item, "found_at": now, "retired_at": None}
        statement = insert(pattern).values(id=ids.new(), organization_id=organization_id, **values)
        statement = statement.on_conflict_do_update(index_elements=["organization_id", "key"], set_=values)
        known[item["key"]] = (await session.execute(statement.returning(pattern.c.id))).scalar_one()
    retired = sa.update(pattern).where(
        pattern.c.organization_id == organization_id,
        pattern.c.retired_at.is_(None),
        pattern.c.id.not_in(list(known.values())),
    )
    await session.execute(retired.values(retired_at=now))
    return known


async def find(session: AsyncSession, organization_id: UUID, pattern_id: UUID) -> Row[Any] | None:
    """One pattern, retired or not."""
    told = pattern.c.evidence != sa.cast([], pattern.c.evidence.type)  # not withdrawn by an erasure
    query = sa.select(pattern).where(pattern.c.id == pattern_id, pattern.c.organization_id == organization_id, told)
    return (await session.execute(query)).one_or_none()


async def page(
    session: AsyncSession, organization_id: UUID, kind: str | None, below: tuple[float, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """Patterns in force, best first."""
    query = sa.select(pattern).where(pattern.c.organization_id == organization_id, pattern.c.retired_at.is_(None))
    if kind is not None:
        query = query.where(pattern.c.kind == kind)
    if below is not None:
        score, last = below
        query = query.where(
            sa.tuple_(pattern.c.score, pattern.c.id)
            < sa.tuple_(sa.literal(score, pattern.c.score.type), sa.literal(last, pattern.c.id.type))
        )
    query = query.order_by(pattern.c.score.desc(), pattern.c.id.desc()).limit(limit)
    return (await session.execute(query)).all()
