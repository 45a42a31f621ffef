"""A1, ingest: what was acknowledged is there after PostgreSQL was killed, once; callers repeat under the same key."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

HAS_SHORT = True
RATE = 200
PATIENCE = 60.0
RECOVERY = 5.0
# The control commits without waiting for the disk, and the writer of the log sleeps, so that a kill loses commits.
ASYNCHRONOUS = ("synchronous_commit = off", "wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'")


@dataclass
class Ledger:
    """What callers were told, who ask for so many seconds."""

    patience: float
    acknowledged: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    without_retry_after: int = 0
    given_up: list[str] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)


async def run(options: Options) -> dict[str, Any]:
    """Ten thousand events, five kills."""
    events, kills = (1_400, 2) if options.short else (10_000, 5)
    return await _scenario(options, events=events, kills=kills, settings=())


async def control(options: Options) -> dict[str, Any]:
    """With asynchronous commit for the whole cluster, acknowledged events must be missing."""
    return await _scenario(options, events=1_200, kills=2, settings=ASYNCHRONOUS)


async def _scenario(options: Options, *, events: int, kills: int, settings: tuple[str, ...]) -> dict[str, Any]:
    ledger = Ledger(options.within(PATIENCE))
    async with open_stand(scale=options.scale("auth", events=2), sink_seconds=0.0) as stand:
        dsn = await asyncio.to_thread(stand.dsn, "events")
        await _set(dsn, settings)
        durable = await _ask(dsn, "SELECT current_setting('fsync') || current_setting('synchronous_commit')")
        sending = asyncio.create_task(_send(stand, events, ledger))
        recoveries = [await _kill(stand, options, events / RATE / (kills + 1), ledger) for _ in range(kills)]
        await sending
        stored = await _ask_rows(dsn, "SELECT external_id, array_agg(id::text) AS ids FROM event GROUP BY external_id")
        faults = _reconcile(ledger, {row["external_id"]: row["ids"] for row in stored})
    slowest = max(recoveries)
    faults += [f"a recovery took {slowest:.1f} s"] if slowest > options.within(RECOVERY) else []
    if durable != "onon" and not settings:
        faults.append(f"fsync and synchronous_commit are {durable}")
    return {
        "events": events,
        "acknowledged": len(ledger.acknowledged),
        "kills": kills,
        "statuses": ledger.statuses,
        "recovery_seconds_max": round(slowest, 2),
        "faults": faults,
    }


async def _send(stand: Stand, events: int, ledger: Ledger) -> None:
    """At a steady rate, whatever the answers; half of the callers use Idempotency-Key, all name their events."""
    began = time.monotonic()
    posts = []
    for number in range(events):
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
        posts.append(asyncio.create_task(_post(stand, number, ledger)))
    await asyncio.gather(*posts)


async def _post(stand: Stand, number: int, ledger: Ledger) -> None:
    name = f"e{number}"
    headers = {"Idempotency-Key": name} if number % 2 else {}
    body = {"source": "chaos", "type": "sent", "id": name, "data": {"number": number}}
    deadline = time.monotonic() + ledger.patience
    while time.monotonic() < deadline:
        status, answer = await _try(stand, body, headers, ledger)
        ledger.statuses[str(status)] = ledger.statuses.get(str(status), 0) + 1
        if status in {200, 201}:
            ledger.acknowledged[name] = answer["id"]
            ledger.answered_at.append(time.monotonic())
            return
        await asyncio.sleep(0.5)
    ledger.given_up.append(name)


async def _try(stand: Stand, body: Any, headers: dict[str, str], ledger: Ledger) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{stand.port}/api/v1/events"
    try:
        async with stand.http.post(url, json=body, headers=headers) as answer:
            if answer.status == 503 and "Retry-After" not in answer.headers:
                ledger.without_retry_after += 1
            return answer.status, await answer.json(content_type=None) if answer.status < 300 else None
    except (aiohttp.ClientError, TimeoutError):
        return 0, None


async def _kill(stand: Stand, options: Options, pause: float, ledger: Ledger) -> float:
    """SIGKILL PostgreSQL; seconds from its being back to the next acknowledgement."""
    await asyncio.sleep(pause * options.random.uniform(0.7, 1.1))
    (server,) = await asyncio.to_thread(stand.processes, "postgres")
    kill(server["pid"])
    dsn = await asyncio.to_thread(stand.dsn, "events")
    while True:
        try:
            await _ask(dsn, "SELECT 1")
            break
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(0.05)
    back_at = time.monotonic()
    while not ledger.answered_at or ledger.answered_at[-1] < back_at:
        await asyncio.sleep(0.02)
        if time.monotonic() > back_at + 30:
            break
    return time.monotonic() - back_at


def _reconcile(ledger: Ledger, stored: dict[str, list[str]]) -> list[str]:
    missing = [name for name, event_id in ledger.acknowledged.items() if event_id not in stored.get(name, [])]
    twice = [name for name, ids in stored.items() if len(ids) > 1]
    wrong = {status for status in ledger.statuses if status not in {"200", "201", "503", "502", "0"}}
    faults = [f"{len(missing)} acknowledged events are missing"] if missing else []
    faults += [f"{len(twice)} events are stored twice"] if twice else []
    faults += [f"{len(ledger.given_up)} events were never acknowledged"] if ledger.given_up else []
    faults += [f"answers of other kinds: {sorted(wrong)}"] if wrong else []
    faults += [f"{ledger.without_retry_after} × 503 without Retry-After"] if ledger.without_retry_after else []
    return faults


async def _set(dsn: str, settings: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for setting in settings:
            await connection.execute(f"ALTER SYSTEM SET {setting}")
        await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def _ask(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn, timeout=2)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _ask_rows(dsn: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()
