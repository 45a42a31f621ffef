"""Counts of events by day, type and actor, kept up as the log grows."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain.positions import Position
from services.events.storage import stats
from services.events.storage.stats import Key

CONSUMER = "stats"
BATCH = 20_000
MOST = 1_000
MOST_DAYS = 4_000


async def store(session: AsyncSession, after: Position, upto: Position) -> None:
    """Counts a stretch of the log, in the transaction that moves the cursor."""
    await stats.count(session, after, upto)


def count(rows: Iterable[Any], weight: int = 1) -> Counter[Key]:
    """Counter steps of events: (organisation, day of `time` in UTC, dimension, value) → number."""
    counts: Counter[Key] = Counter()
    for row in rows:
        day = row.time.astimezone(UTC).date()
        counts[row.organization_id, day, "total", ""] += weight
        counts[row.organization_id, day, "type", row.type] += weight
        if row.actor is not None:
            counts[row.organization_id, day, "actor", row.actor] += weight
    return counts


async def summarise(
    session: AsyncSession, organization_id: UUID, first: date | None, last: date | None
) -> dict[str, Any]:
    """{total, by_day, by_type, by_actor}; the largest thousand of each."""
    span = (first, last)
    days = await stats.sums(session, organization_id, "total", by="day", span=span, limit=MOST_DAYS)
    types = await stats.sums(session, organization_id, "type", by="value", span=span, limit=MOST)
    actors = await stats.sums(session, organization_id, "actor", by="value", span=span, limit=MOST)
    return {
        "total": sum(number for _, number in days),
        "by_day": [{"day": day, "count": number} for day, number in days],
        "by_type": [{"type": name, "count": number} for name, number in types],
        "by_actor": [{"actor": name, "count": number} for name, number in actors],
    }
