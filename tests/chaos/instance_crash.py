"""A10, instance-crash: one of two processes dies; reads notice nothing, writes in flight fail and are repeated."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

HAS_SHORT = True
RATE = 200
DYING_SECONDS = 1.0
READS = ("/events?limit=5", "/stats", "/patterns?limit=5")
# How /proc writes ESTABLISHED and CLOSE_WAIT.
_HELD = frozenset({"01", "08"})


@dataclass(frozen=True, slots=True)
class Span:
    """By the monotonic clock: of a post until its answer, or of a process from SIGKILL until nothing reached it."""

    began: float
    ended: float

    def meets(self, other: "Span") -> bool:
        """Whether one had begun before the other ended."""
        return self.began <= other.ended and other.began <= self.ended


@dataclass
class Ledger:
    """What callers sent and were told; a post that is sent again may break again."""

    broken: set[str] = field(default_factory=set)
    breaks: list[Span] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)
    reads: int = 0
    read_errors: list[str] = field(default_factory=list)


async def run(options: Options) -> dict[str, Any]:
    """Three processes killed, one after the other; one in the short form."""
    return await _scenario(options, kills=1 if options.short else 3)


async def control(options: Options) -> dict[str, Any]:
    """With a gateway that tries nothing again, reads must fail."""
    return await _scenario(options, kills=3, retry=False)


async def _scenario(options: Options, *, kills: int, retry: bool = True) -> dict[str, Any]:
    ledger = Ledger()
    deaths: list[Span] = []
    async with open_stand(scale={"events": 2}, sink_seconds=0.0) as stand:
        if not retry:
            await _forbid_retries(stand)
        stopping = asyncio.Event()
        going = asyncio.create_task(_send(stand, ledger, stopping))
        for _ in range(kills):
            await asyncio.sleep(options.random.uniform(2.0, 3.0))
            victim = options.random.choice(await asyncio.to_thread(stand.processes, "events"))
            deaths.append(await _kill(victim))
            await asyncio.sleep(4.0)  # it is started again meanwhile
        stopping.set()
        await going
        stored = await stand.rows("events", "SELECT external_id, count(*) AS number, min(id::text) AS id FROM event "
                                  "GROUP BY external_id")  # fmt: skip
    stray = sum(not any(broke.meets(death) for death in deaths) for broke in ledger.breaks)
    faults = _reconcile(ledger, {row["external_id"]: row for row in stored}, stray)
    return {"kills": kills, "reads": ledger.reads, "posts": len(ledger.acknowledged),
            "posts_broken": len(ledger.broken), "dying_ms_max": round(max(map(_milliseconds, deaths)), 1),
            "faults": faults}  # fmt: skip


async def _kill(victim: dict[str, Any]) -> Span:
    """From SIGKILL until nobody holds a connection to the process any more; what is sent meanwhile is in flight.

    The kernel frees its memory before its sockets, then the gateway has to notice. TimeoutError beyond DYING_SECONDS.
    """
    began = time.monotonic()
    kill(victim["pid"])
    while _is_connected(victim["public_port"]):
        if time.monotonic() - began > DYING_SECONDS:
            raise TimeoutError(f"the gateway held on to a process killed {DYING_SECONDS} s ago")
        await asyncio.sleep(0.001)
    return Span(began, time.monotonic())


def _is_connected(port: int) -> bool:
    """Whether somebody holds a connection to a port open, be it that its other side is closed."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(row[2].endswith(f":{port:04X}") and row[3] in _HELD for row in rows)


def _milliseconds(span: Span) -> float:
    return (span.ended - span.began) * 1_000


async def _forbid_retries(stand: Stand) -> None:
    file = stand.home / "gateway" / "middlewares.yml"
    text = file.read_text()
    changed = re.sub(r"attempts: \d+", "attempts: 1", text)
    if changed == text:
        raise RuntimeError("the gateway's retries are not where they were")
    file.write_text(changed)
    await asyncio.sleep(2)


async def _send(stand: Stand, ledger: Ledger, stopping: asyncio.Event) -> None:
    began, number = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while not stopping.is_set():
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            group.create_task(_post(stand, ledger, f"e{number}") if number % 2 else _get(stand, ledger, number))
            number += 1


async def _get(stand: Stand, ledger: Ledger, number: int) -> None:
    url = f"http://127.0.0.1:{stand.port}/api/v1{READS[number % len(READS)]}"
    try:
        async with stand.http.get(url, timeout=aiohttp.ClientTimeout(total=15)) as answer:
            told = f"{answer.status} {await answer.text()}"
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        status, told = 0, repr(error)
    ledger.reads += 1
    if status != 200:
        ledger.read_errors.append(f"{url} {told}"[:200])


async def _post(stand: Stand, ledger: Ledger, name: str) -> None:
    """Until it is acknowledged, under one name and key."""
    body = {"source": "chaos", "type": "sent", "id": name, "data": {"name": name}}
    headers = {"Idempotency-Key": name} if int(name[1:]) % 4 == 1 else {}
    url = f"http://127.0.0.1:{stand.port}/api/v1/events"
    for _ in range(60):
        began = time.monotonic()
        try:
            async with stand.http.post(url, json=body, headers=headers) as answer:
                if answer.status in {200, 201}:
                    ledger.acknowledged[name] = (await answer.json())["id"]
                    return
        except (aiohttp.ClientError, TimeoutError):
            pass
        ledger.broken.add(name)
        ledger.breaks.append(Span(began, time.monotonic()))
        await asyncio.sleep(0.25)


def _reconcile(ledger: Ledger, stored: dict[str, Any], stray: int) -> list[str]:
    twice = [name for name, row in stored.items() if row["number"] != 1]
    missing = [name for name, told in ledger.acknowledged.items() if name not in stored or stored[name]["id"] != told]
    never = ledger.broken - ledger.acknowledged.keys()
    faults = [f"{len(ledger.read_errors)} reads failed, such as {ledger.read_errors[0]}"] if ledger.read_errors else []
    faults += [f"{stray} posts failed that were not in flight"] if stray else []
    faults += [f"{len(twice)} events are stored twice"] if twice else []
    faults += [f"{len(missing)} acknowledged events are missing"] if missing else []
    faults += [f"{len(never)} posts were never taken"] if never else []
    return faults
