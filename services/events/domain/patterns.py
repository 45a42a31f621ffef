"""Patterns as the API shows them."""

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
