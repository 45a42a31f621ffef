"""What people decided about suggestions, from the first day on: nothing is ever changed here, only added."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import decision, pattern, suggestion
from shared import ids


async def add(session: AsyncSession, made: Row[Any], verdict: str, by: str | None, at: datetime) -> None:
    """Notes what became of a suggestion, and how certain it claimed to be; `made` is its row."""
    values = {
        "id": ids.new(),
        "organization_id": made.organization_id,
        "suggestion_id": made.id,
        "decision": verdict,
        "kind": made.details.get("kind", ""),
        "certainty": made.details.get("certainty", made.confidence),
        "decided_by": by,
        "decided_at": at,
    }
    await session.execute(sa.insert(decision).values(**values))


async def of(session: AsyncSession, suggestion_id: UUID) -> list[str]:
    """What was decided about a suggestion, oldest first."""
    query = sa.select(decision.c.decision).where(decision.c.suggestion_id == suggestion_id)
    return list(await session.scalars(query.order_by(decision.c.id)))


async def latest(session: AsyncSession, organization_id: UUID, verdicts: Sequence[str]) -> list[tuple[float, str]]:
    """(certainty claimed at first, the last of the verdicts) of each suggestion that has one."""
    rows = await session.execute(
        sa.select(decision.c.suggestion_id, decision.c.certainty, decision.c.decision)
        .where(decision.c.organization_id == organization_id, decision.c.decision.in_(list(verdicts)))
        .order_by(decision.c.id)
    )
    found: dict[UUID, tuple[float, str]] = {}
    for row in rows:
        first = found.get(row.suggestion_id, (row.certainty, ""))[0]
        found[row.suggestion_id] = (first, row.decision)
    return list(found.values())


async def known(session: AsyncSession, organization_id: UUID) -> set[UUID]:
    """Patterns that were suggested before."""
    query = sa.select(suggestion.c.pattern_id).where(suggestion.c.organization_id == organization_id)
    return set(await session.scalars(query))


async def refused(session: AsyncSession, organization_id: UUID) -> list[tuple[str, list[dict[str, Any]]]]:
    """(kind, steps) of the patterns whose suggestions were dismissed."""
    query = sa.select(pattern.c.kind, pattern.c.steps).join_from(
        suggestion, pattern, suggestion.c.pattern_id == pattern.c.id
    )
    rows = await session.execute(
        query.where(suggestion.c.organization_id == organization_id, suggestion.c.status == "dismissed")
    )
    return [(row.kind, row.steps) for row in rows]


async def offered(session: AsyncSession, organization_id: UUID, since: datetime) -> dict[str | None, int]:
    """How many new suggestions each person got since a moment."""
    query = sa.select(suggestion.c.person, sa.func.count()).where(
        suggestion.c.organization_id == organization_id, suggestion.c.created_at > since
    )
    return {person: int(count) for person, count in await session.execute(query.group_by(suggestion.c.person))}
