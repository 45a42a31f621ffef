"""What follows what, counted by PostgreSQL over an organisation's latest events."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

LATEST = 50_000
# While a log is small its latest part is most of it, and reading all of it in no order looks cheaper: it grows, though.
_BY_INDEX = "SELECT set_config('enable_seqscan', 'off', true)"
SESSION_GAP = "30 minutes"

_LATEST = f"""
WITH latest AS MATERIALIZED (
    SELECT actor, source, type, time, id FROM event WHERE organization_id = :organization_id
      AND extensions->>'floyorun' IS NULL
    ORDER BY time DESC, id DESC LIMIT {LATEST}
), paired AS (
    SELECT actor, source, type, time, lag(source) OVER run AS before_source, lag(type) OVER run AS before_type,
           time - lag(time) OVER run AS gap
    FROM latest WINDOW run AS (PARTITION BY actor ORDER BY time, id)
)
"""  # noqa: S608

_EDGES = f"""{_LATEST}
SELECT before_source, before_type, source, type, count(*) AS number,
       extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY gap))::float8 AS median
FROM paired WHERE gap <= interval '{SESSION_GAP}'
GROUP BY before_source, before_type, source, type ORDER BY number DESC, 1, 2, 3, 4 LIMIT :limit
"""  # noqa: S608

_NODES = f"""{_LATEST}
SELECT source, type, count(*) AS number FROM latest
GROUP BY source, type ORDER BY number DESC, source, type LIMIT :limit
"""  # noqa: S608

_OF_ALL = """
SELECT id, actor, source, type, time FROM event WHERE organization_id = :organization_id
  AND extensions->>'floyorun' IS NULL
ORDER BY time DESC, id DESC LIMIT :limit
"""
_OF_ONE = _OF_ALL.replace("ORDER BY", "AND actor = :actor ORDER BY")


async def edges(session: AsyncSession, organization_id: UUID, limit: int) -> list[Any]:
    """(before_source, before_type, source, type, count, median gap in seconds), the most frequent first."""
    await session.execute(text(_BY_INDEX))
    given = {"organization_id": organization_id, "limit": limit}
    return list(await session.execute(text(_EDGES), given))


async def nodes(session: AsyncSession, organization_id: UUID, limit: int) -> list[Any]:
    """(source, type, count), the most frequent first."""
    await session.execute(text(_BY_INDEX))
    return list(await session.execute(text(_NODES), {"organization_id": organization_id, "limit": limit}))


async def latest(session: AsyncSession, organization_id: UUID, actor: str | None, limit: int) -> list[Any]:
    """The latest events (id, actor, source, type, time) of an actor or of everybody, oldest first."""
    await session.execute(text(_BY_INDEX))
    given = {"organization_id": organization_id, "limit": limit}
    if actor is None:
        rows = await session.execute(text(_OF_ALL), given)
    else:
        rows = await session.execute(text(_OF_ONE), {**given, "actor": actor})
    return list(rows)[::-1]
