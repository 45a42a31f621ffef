"""An organisation's events as the miner reads them: never those that runs have emitted, which nobody did by hand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

LARGEST_DATA = 8_192

_PAGE = f"""
SELECT id, time, actor, source, type, subject,
       CASE WHEN pg_column_size(data) < {LARGEST_DATA} THEN data::text END AS data,
       extract(epoch FROM time)::float8 AS seconds, sequence
FROM event WHERE organization_id = :organization_id AND (time, id) < (:time, :id)
  AND extensions->>'floyorun' IS NULL
ORDER BY time DESC, id DESC LIMIT :limit
"""  # noqa: S608
_LAST = (datetime.fromisoformat("9999-12-31T23:59:59+00:00"), UUID(int=2**128 - 1))


async def page(
    session: AsyncSession, organization_id: UUID, below: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """Rows (id, time, actor, source, type, subject, data, seconds, sequence), newest first; `data` as text,
    unless it is large."""
    time, last = below or _LAST
    given = {"organization_id": organization_id, "time": time, "id": last, "limit": limit}
    return (await session.execute(text(_PAGE), given)).all()
