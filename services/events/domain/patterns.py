"""Patterns as the API shows them."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import patterns
from shared import errors


async def get(session: AsyncSession, organization_id: UUID, pattern_id: UUID) -> dict[str, Any]:
    """One pattern; raises NotFound."""
    row = await patterns.find(session, organization_id, pattern_id)
    if row is None:
        raise errors.NotFound
    return render(row)


async def page(
    session: AsyncSession, organization_id: UUID, kind: str | None, below: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """Patterns below a sort key, best first, one more than the limit when more follow."""
    key = None if below is None else (float(below[0]), UUID(below[1]))
    return [render(row) for row in await patterns.page(session, organization_id, kind, key, limit + 1)]


def sort_key(pattern: dict[str, Any]) -> list[Any]:
    """What a cursor holds of the last pattern shown."""
    return [pattern["score"], str(pattern["id"])]


def render(row: Row[Any]) -> dict[str, Any]:
    """A pattern with its figures."""
    figures = {**row.figures}
    for name in ("first_seen", "last_seen"):
        figures[name] = datetime.fromtimestamp(figures[name], UTC)
    return {
        **figures, "id": row.id, "kind": row.kind, "steps": row.steps, "evidence": row.evidence, "score": row.score,
    }  # fmt: skip


def table(items: Sequence[dict[str, Any]]) -> bytes:
    """CSV with a header; steps as `source type subject`, separated by arrows."""
    text = io.StringIO(newline="")
    columns = [
        "id", "kind", "steps", "support", "confidence", "lift", "p_value", "actors", "median_gap_seconds",
        "minutes_per_week", "first_seen", "last_seen",
    ]  # fmt: skip
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    for item in items:
        steps = [" ".join(filter(None, (step["source"], step["type"], step["subject"]))) for step in item["steps"]]
        writer.writerow({**item, "steps": " → ".join(steps)})
    return text.getvalue().encode()
