"""The log grown to millions of events behind the API's back, and the same work before and after."""

import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.chaos.stand import Stand

SMALL = 100_000
PIECE = 200_000
ROUNDS = 5
# Positions below every cursor, so that no consumer of the log reads them; ids and keys as of this month.
_GROW = """
WITH input AS MATERIALIZED (
    SELECT uuidv7() AS id, number, now() - number * interval '1 second' AS time
    FROM generate_series($1::bigint, $2::bigint) AS number
), keyed AS (
    INSERT INTO event_key (organization_id, source, external_id, event_id, epoch, xid, sequence)
    SELECT $3, 'bench', 'grown-' || number, id, 1, 1, number - 1000000000 FROM input
)
INSERT INTO event (id, organization_id, external_id, source, type, actor, time, received_at, epoch, xid, sequence, data)
SELECT id, $3, 'grown-' || number, 'bench', 'posted', 'ada', time, now(), 1, 1, number - 1000000000,
       jsonb_build_object('n', number, 'text', repeat('x', 60)) FROM input
"""


async def measure(stand: Stand, rate: Callable[[], Awaitable[float]], rows: int) -> dict[str, Any]:
    """{small, grown: events a second; rows, growing_seconds, memory_mib: before and after} at 100,000 and `rows`."""
    have = (await stand.rows("events", "SELECT count(*) AS number FROM event"))[0]["number"]
    await _grow(stand, 0, max(0, SMALL - have))
    small, before = await _settled(stand, rate), _memory(stand)
    began = time.monotonic()
    await _grow(stand, SMALL, max(SMALL, rows - have))
    took = round(time.monotonic() - began, 1)
    grown = await _settled(stand, rate)
    return {
        "small": small,
        "grown": grown,
        "rows": (await stand.rows("events", "SELECT count(*) AS number FROM event"))[0]["number"],
        "growing_seconds": took,
        "memory_mib": [before, _memory(stand)],
    }


async def _grow(stand: Stand, first: int, last: int) -> None:
    organization_id = stand.user["organization_id"]
    for start in range(first, last, PIECE):
        await stand.rows("events", _GROW, start, min(start + PIECE, last) - 1, organization_id)


async def _settled(stand: Stand, rate: Callable[[], Awaitable[float]]) -> int:
    for command in ("VACUUM ANALYZE event", "VACUUM ANALYZE event_key", "CHECKPOINT"):
        await stand.rows("events", command)
    await rate()
    return round(statistics.median([await rate() for _ in range(ROUNDS)]))


def _memory(stand: Stand) -> float:
    """MiB that the events API holds by itself."""
    (process,) = stand.processes("events")
    lines = Path(f"/proc/{process['pid']}/smaps_rollup").read_text().splitlines()
    return round(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1_024, 1)
