"""A14, pool: an exhausted pool is seen and taken out of the listing, and who goes away leaves no connection behind."""

import asyncio
import contextlib
import time
from typing import Any

import aiohttp
import asyncpg

from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand

UNREADY_SECONDS, READY_SECONDS, HELD_SECONDS = 4.0, 2.0, 8.0
DISCONNECTS, AT_ONCE = 10_000, 100
WORKFLOWS = 50
STEP = {"id": "only", "type": "transform", "with": {"output": 1}}


async def run(_options: Options) -> dict[str, Any]:
    """A table that nobody may read keeps every connection; then ten thousand callers hang up halfway."""
    async with open_stand(scale={"workflows": 1}, sink_seconds=0) as stand:
        exhausted, faults = await _exhaust(stand)
        left, more = await _disconnect(stand)
    return {**exhausted, **left, "faults": faults + more}


async def control(_options: Options) -> dict[str, Any]:
    """Readiness that does not look at the pool must stay silent."""
    async with open_stand(scale={"workflows": 1}, sink_seconds=0, FLOYO_FAULTS="blind-to-the-pool") as stand:
        figures, faults = await _exhaust(stand)
    return {**figures, "faults": faults}


async def _exhaust(stand: Stand) -> tuple[dict[str, Any], list[str]]:
    faults: list[str] = []
    connection = await asyncpg.connect(await asyncio.to_thread(stand.dsn, "workflows"))
    stopping = asyncio.Event()
    (process,) = await asyncio.to_thread(stand.processes, "workflows")
    asking = [asyncio.create_task(_ask_on(stand, process["public_port"], stopping)) for _ in range(12)]
    try:
        await asyncio.sleep(1)
        await connection.execute("BEGIN; LOCK TABLE workflow IN ACCESS EXCLUSIVE MODE")
        locked = time.monotonic()
        seconds, told = await _until(stand, 503, HELD_SECONDS)
        pool = await _figures(stand, told, locked + 5)
        alive, _ = await _probe(stand, "liveness")
        await asyncio.sleep(max(0.0, 5 - (time.monotonic() - locked)))
        await connection.execute("ROLLBACK")
        back, _ = await _until(stand, 200, 10.0)
    finally:
        stopping.set()
        await asyncio.gather(*asking)
        await connection.close()
    seen = told.get("reason") == "pool exhausted" and pool.get("checked_out", 0) >= 5 and pool.get("waiting", 0) > 0
    faults += [] if seen and pool.get("size") else [f"readiness told {told}"]
    faults += [f"unready only after {seconds:.1f} s"] if seconds > UNREADY_SECONDS else []
    faults += [f"liveness answered {alive}"] if alive != 200 else []
    faults += [f"ready only {back:.1f} s after the pool was free"] if back > READY_SECONDS else []
    return {"unready_after": round(seconds, 2), "pool": pool, "ready_after": round(back, 2)}, faults


async def _ask_on(stand: Stand, port: int, stopping: asyncio.Event) -> None:
    """Asks the process itself: through the gateway nobody would wait any more as soon as it is taken out."""
    url, timeout = f"http://127.0.0.1:{port}/api/v1/workflows?limit=1", aiohttp.ClientTimeout(total=15)
    while not stopping.is_set():
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with stand.http.get(url, timeout=timeout) as answer:
                await answer.read()
        await asyncio.sleep(0.05)


async def _figures(stand: Stand, told: dict[str, Any], until: float) -> dict[str, Any]:
    """The pool's figures, at a moment when somebody waits: those who wait give up together after two seconds."""
    while not told.get("pool", {}).get("waiting") and time.monotonic() < until:
        await asyncio.sleep(0.05)
        _, told = await _probe(stand, "readiness")
    return dict(told.get("pool", {}))


async def _until(stand: Stand, wanted: int, patience: float) -> tuple[float, dict[str, Any]]:
    """Seconds until readiness answers so, and what it says then."""
    began = time.monotonic()
    while True:
        status, body = await _probe(stand, "readiness")
        if status == wanted or time.monotonic() - began > patience:
            return time.monotonic() - began, body
        await asyncio.sleep(0.05)


async def _probe(stand: Stand, probe: str) -> tuple[int, dict[str, Any]]:
    (process,) = await asyncio.to_thread(stand.processes, "workflows")
    url = f"http://127.0.0.1:{process['internal_port']}/health/{probe}"
    async with stand.http.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
        return answer.status, dict(await answer.json())


async def _disconnect(stand: Stand) -> tuple[dict[str, Any], list[str]]:
    """Callers who hang up at any moment, among others who compare what they get with what they asked for."""
    names: dict[str, str] = {}
    await asyncio.sleep(2)  # the gateway looks once a second
    for number in range(WORKFLOWS):
        name = f"w{number}"
        body = {"name": name, "trigger": {"type": "manual"}, "steps": [STEP]}
        _, made = await stand.call("POST", "/workflows", json=body)
        names[made["id"]] = name
    room, crossed, kept, hung = asyncio.Semaphore(AT_ONCE), 0, 0, 0

    async def once(number: int) -> None:
        nonlocal crossed, kept, hung
        workflow, name = list(names.items())[number % len(names)]
        patience = 0.001 * (1 + number % 40) if number % 11 else 15.0
        try:
            async with room, asyncio.timeout(patience):
                status, body = await stand.call("GET", f"/workflows/{workflow}")
        except (TimeoutError, aiohttp.ClientError):
            hung += 1
            return
        kept += 1
        if status == 200 and (body["id"], body["name"]) != (workflow, name):
            crossed += 1

    calls = 0
    while hung < DISCONNECTS and calls < 4 * DISCONNECTS:
        await asyncio.gather(*(once(number) for number in range(calls, calls + 1_000)))
        calls += 1_000
    leaked, open_now = await _leaked(stand)
    faults = [f"{leaked} connections are still checked out"] if leaked else []
    faults += [f"{crossed} answers were somebody else's"] if crossed else []
    faults += [f"only {hung} hung up"] if hung < DISCONNECTS else []
    faults += [f"{open_now} connections at PostgreSQL"] if open_now > 10 else []
    return {"hung_up": hung, "answered": kept, "crossed": crossed, "leaked": leaked, "connections": open_now}, faults


async def _leaked(stand: Stand) -> tuple[int, int]:
    """Connections that the idle process still has checked out, and those that PostgreSQL sees of it."""
    (process,) = await asyncio.to_thread(stand.processes, "workflows")
    used = 0
    for _ in range(50):
        async with stand.http.get(f"http://127.0.0.1:{process['internal_port']}/health/detailed") as answer:
            used = (await answer.json())["components"]["pool"]["checked_out"]
        if not used:
            break
        await asyncio.sleep(0.1)
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'workflows-1'"
    return used, int((await stand.rows("workflows", query))[0][0])
