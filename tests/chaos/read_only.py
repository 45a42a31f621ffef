"""A24, read-only: while the database takes no writes, reads go on, writes are refused, and nobody is told a lie."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand

HAS_SHORT = True
READS = ("/events?limit=5", "/events/filters", "/stats", "/patterns?limit=5", "/workflows?limit=5", "/runs?limit=5",
         "/integrations?limit=5", "/connectors", "/organizations", "/flags")  # fmt: skip
RATE = 60
WORKFLOW = {"name": "w", "trigger": {"type": "manual"}, "steps": [{"id": "only", "type": "transform",
            "with": {"output": 1}}]}  # fmt: skip
FORMS = ("quick", "keyed", "batch", "workflow", "integration")


@dataclass
class Ledger:
    """Answers by kind while the database was read-only, and the events that were acknowledged at any time."""

    reads: Counter[tuple[str, int]] = field(default_factory=Counter)
    writes: Counter[tuple[str, int, bool]] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    closed: bool = False


async def run(options: Options) -> dict[str, Any]:
    """Half a minute without writes; eight seconds in the short form."""
    return await _scenario(8.0 if options.short else 30.0)


async def control(_options: Options) -> dict[str, Any]:
    """Acknowledging before the commit must be found out."""
    return await _scenario(5.0, FLOYO_FAULTS="acknowledged-early")


async def _scenario(seconds: float, **variables: str) -> dict[str, Any]:
    ledger = Ledger()
    async with open_stand(scale={"events": 1}, sink_seconds=0.0, **variables) as stand:
        dsn = await asyncio.to_thread(stand.dsn, "events")
        stopping = asyncio.Event()
        going = asyncio.create_task(_send(stand, ledger, stopping))
        await asyncio.sleep(2)
        await _set(dsn, "on")
        await asyncio.sleep(1)  # what was begun before may still end well
        ledger.closed = True
        await asyncio.sleep(seconds)
        ledger.closed = False
        await asyncio.sleep(0.5)
        await _set(dsn, "off")
        recovered = await _recover(stand)
        stopping.set()
        await going
        stored = {row["external_id"] for row in await stand.rows("events", "SELECT external_id FROM event")}
    faults = _judge(ledger, stored, recovered)
    return {"reads": sum(ledger.reads.values()), "writes_refused": sum(ledger.writes.values()),
            "acknowledged": len(ledger.acknowledged), "recovered_seconds": round(recovered, 2),
            "faults": faults}  # fmt: skip


async def _set(dsn: str, value: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


async def _send(stand: Stand, ledger: Ledger, stopping: asyncio.Event) -> None:
    began, number = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while not stopping.is_set():
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            group.create_task(_write(stand, ledger, number) if number % 2 else _read(stand, ledger, number))
            number += 1


async def _read(stand: Stand, ledger: Ledger, number: int) -> None:
    path, closed = READS[number // 2 % len(READS)], ledger.closed
    status, _ = await _call(stand, "GET", path)
    if closed and ledger.closed:
        ledger.reads[path, status] += 1


async def _write(stand: Stand, ledger: Ledger, number: int) -> None:
    form, closed, names = FORMS[number // 2 % len(FORMS)], ledger.closed, [f"e{number}"]
    event = {"source": "chaos", "type": "sent", "id": names[0], "data": number}
    path, body, headers = "/events", event, {}
    if form == "keyed":
        headers = {"Idempotency-Key": names[0]}
    elif form == "batch":
        names = [f"e{number}-{index}" for index in range(3)]
        path, body = "/events/batch", [{**event, "id": name} for name in names]  # type: ignore[assignment]
    elif form == "workflow":
        path, body, names = "/workflows", {**WORKFLOW, "name": f"w{number}"}, []
    elif form == "integration":
        settings = {"base_url": "https://example.com"}
        path, body, names = "/integrations", {"connector": "http", "name": f"i{number}", "settings": settings}, []
    status, promised = await _call(stand, "POST", path, json=body, headers=headers)
    if status in {200, 201}:
        ledger.acknowledged |= set(names)
    if closed and ledger.closed:
        ledger.writes[form, status, promised] += 1


async def _call(stand: Stand, method: str, path: str, **options: Any) -> tuple[int, bool]:
    """Status, and whether it says when to come back."""
    try:
        timeout = aiohttp.ClientTimeout(total=15)
        url = f"http://127.0.0.1:{stand.port}/api/v1{path}"
        async with stand.http.request(method, url, timeout=timeout, **options) as answer:
            await answer.read()
            return answer.status, "Retry-After" in answer.headers
    except (aiohttp.ClientError, TimeoutError):
        return 0, False


async def _recover(stand: Stand) -> float:
    began = time.monotonic()
    while time.monotonic() - began < 30:
        event = {"source": "chaos", "type": "recovered", "id": f"after-{time.monotonic_ns()}"}
        if (await _call(stand, "POST", "/events", json=event))[0] == 201:
            break
        await asyncio.sleep(0.1)
    return time.monotonic() - began


def _judge(ledger: Ledger, stored: set[str], recovered: float) -> list[str]:
    lost = ledger.acknowledged - stored
    bad_reads = {kind: count for kind, count in ledger.reads.items() if kind[1] != 200}
    bad_writes = {kind: count for kind, count in ledger.writes.items() if kind[1:] != (503, True)}
    seen = {form for form, _, _ in ledger.writes}
    faults = [f"{len(lost)} events were acknowledged and are not there"] if lost else []
    faults += [f"reads: {bad_reads}"] if bad_reads else []
    faults += [f"writes: {bad_writes}"] if bad_writes else []
    faults += [f"not every write was tried: {seen}"] if seen != set(FORMS) else []
    faults += [f"it took {recovered:.1f} s to write again"] if recovered > 5 else []
    return faults
