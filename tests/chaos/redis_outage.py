"""A6, redis-outage: without Redis everybody is answered; limits hold roughly, work and sockets catch up."""

import asyncio
import json
import time
from collections import Counter
from typing import Any

import aiohttp

from tests.chaos.listener import Listener
from tests.chaos.options import Options
from tests.chaos.reconciling import runs as runs_of
from tests.chaos.stand import Stand, open_stand
from tests.chaos.traffic import EMAIL, PASSWORD, Answer, Traffic, percentile

HAS_SHORT = True
RATE, SOCKETS = 100, 10
LIMIT, CALLS, AT_ONCE = 200, 1_000, 8
# The counted calls come beside RATE, which the promise is about: at their own speed they would fill two cores by
# themselves, and what others wait for then is a processor, with Redis as without.
COUNTED_RATE = 50
ADDED_MS, RESYNC_SECONDS, RUNS = 50.0, 5.0, 20
LIMITS = {"FLOYO_LIMITS": json.dumps({"read-key": LIMIT})}
# One route of each service; the key of the organisation calls them, and nothing else.
ROUTES = ("/flags", "/events?limit=1", "/workflows?limit=1", "/connectors")
READS = ("/organizations", "/events?limit=1", "/workflows?limit=1", "/stats")
WRITES = ("/events", "/workflows", "/events", "/integrations", "/events")
WORKFLOW = {"name": "once", "trigger": {"type": "manual"}, "steps": [{"id": "only", "type": "transform",
            "with": {"output": 1}}]}  # fmt: skip


async def run(options: Options) -> dict[str, Any]:
    """Thirty seconds without Redis; ten in the short form."""
    return await _scenario(10.0 if options.short else 30.0)


async def control(_options: Options) -> dict[str, Any]:
    """When each process counts for itself as if it were alone, far too much must be admitted."""
    return await _scenario(10.0, FLOYO_FAULTS="limits-in-memory")


async def _scenario(seconds: float, **variables: str) -> dict[str, Any]:
    async with open_stand(scale={"events": 2}, sink_seconds=0.0, **LIMITS, **variables) as stand:
        await _become_person(stand)
        workflow = (await stand.call("POST", "/workflows", json=WORKFLOW))[1]["id"]
        url = f"ws://127.0.0.1:{stand.port}/api/v1/live"
        listeners = [Listener(url, stand.user["api_key"]) for _ in range(SOCKETS)]
        async with aiohttp.ClientSession() as http:
            listening = [asyncio.create_task(listener.listen(http)) for listener in listeners]
            await asyncio.gather(*(listener.joined.wait() for listener in listeners))
            async with Traffic(stand, RATE, reads=READS, writes=WRITES) as traffic:
                await asyncio.sleep(6)
                down = time.monotonic()
                await asyncio.to_thread(stand.command, "infra.local", "stop", "valkey")
                admitted, logins, started = await asyncio.gather(
                    _count(stand, min(CALLS, int(COUNTED_RATE * (seconds - 2)))), _login(stand), _start(stand, workflow)
                )
                await asyncio.sleep(max(0.0, down + seconds - time.monotonic()))
                await asyncio.to_thread(stand.command, "infra.local", "start", "valkey")
                up = time.monotonic()
                await asyncio.sleep(RESYNC_SECONDS)
                resumed = (await _login(stand))[200]
                await asyncio.sleep(1)
            lost = await _unfinished(stand, started)
            gaps, late = await _gaps(stand, listeners)
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    figures = _figures(traffic.answers, down, up)
    figures |= {"admitted": admitted[200], "logins": dict(logins), "runs_lost": lost, "gaps": gaps,
                "socket_delay_seconds_max": round(late, 2)}  # fmt: skip
    return {**figures, "faults": _judge(figures, admitted, logins, resumed, len(started))}


async def _become_person(stand: Stand) -> None:
    """Everything but the counted calls is asked by a person, whose limits are others than those of the key."""
    _, pair = await stand.call("POST", "/auth/login", json={"email": EMAIL, "password": PASSWORD})
    stand.http.headers["Authorization"] = f"Bearer {pair['access_token']}"


async def _count(stand: Stand, calls: int) -> Counter[int]:
    """More calls than one limit admits, over four services and some at once; answers how many came to which status."""
    headers, statuses = {"Authorization": f"Bearer {stand.user['api_key']}"}, Counter[int]()
    await asyncio.sleep(1)
    began = time.monotonic()

    async def call(path: str) -> None:
        statuses[(await stand.call("GET", path, headers=headers))[0]] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            if number % AT_ONCE == 0:
                await asyncio.sleep(max(0.0, began + number / COUNTED_RATE - time.monotonic()))
            group.create_task(call(ROUTES[number % len(ROUTES)]))
    return statuses


async def _login(stand: Stand) -> Counter[int]:
    await asyncio.sleep(0.5)
    asked = [stand.call("POST", "/auth/login", json={"email": EMAIL, "password": PASSWORD}) for _ in range(2)]
    return Counter(status for status, _ in await asyncio.gather(*asked))


async def _start(stand: Stand, workflow: str) -> list[str]:
    found = [await stand.call("POST", f"/workflows/{workflow}/runs", json={}) for _ in range(RUNS)]
    return [body["id"] for status, body in found if status == 202]


async def _unfinished(stand: Stand, started: list[str]) -> int:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        ended = await runs_of(stand)
        left = sum(ended.get(run) != "succeeded" for run in started)
        if not left:
            return 0
        await asyncio.sleep(0.5)
    return left


async def _gaps(stand: Stand, listeners: list[Listener]) -> tuple[int, float]:
    """Events that a socket has not heard ten seconds after the last was stored, and the longest delay in seconds."""
    rows = await stand.rows("events", "SELECT external_id, received_at FROM event WHERE type = 'traffic'")
    stored = {row["external_id"]: row["received_at"].timestamp() for row in rows}
    gaps = 1
    until = time.monotonic() + 10
    while gaps and time.monotonic() < until:
        await asyncio.sleep(0.2)
        gaps = sum(len(stored.keys() - listener.at.keys()) for listener in listeners)
    delays = (heard - stored[name] for listener in listeners for name, heard in listener.at.items() if name in stored)
    return gaps, max(delays, default=0.0)


def _figures(answers: list[Answer], down: float, up: float) -> dict[str, Any]:
    """p99 before and during, and what failed."""
    before = [answer.seconds for answer in answers if down - 4 < answer.at < down]
    during = [answer.seconds for answer in answers if down <= answer.at < up]
    bad = Counter(f"{answer.path} {answer.status}" for answer in answers if not 200 <= answer.status < 300)
    return {"requests": len(answers), "failed": dict(bad),
            "p99_ms_before": round(percentile(before, 0.99) * 1_000, 1),
            "p99_ms_during": round(percentile(during, 0.99) * 1_000, 1)}  # fmt: skip


def _judge(
    figures: dict[str, Any], admitted: Counter[int], logins: Counter[int], resumed: int, started: int
) -> list[str]:
    added = figures["p99_ms_during"] - figures["p99_ms_before"]
    low, high = LIMIT // 2, LIMIT * 12 // 10
    faults = [f"requests failed: {figures['failed']}"] if figures["failed"] else []
    faults += [f"p99 rose by {added:.0f} ms"] if added > ADDED_MS else []
    faults += [] if low <= admitted[200] <= high else [f"{admitted[200]} were admitted of {LIMIT}"]
    faults += [f"calls were answered {dict(admitted)}"] if set(admitted) - {200, 429} else []
    faults += [f"logins were answered {dict(logins)}"] if set(logins) != {503} else []
    faults += ["logins do not work again"] if not resumed else []
    faults += [f"only {started} of {RUNS} runs were accepted"] if started < RUNS else []
    faults += [f"{figures['runs_lost']} runs were lost"] if figures["runs_lost"] else []
    faults += [f"{figures['gaps']} events were not heard"] if figures["gaps"] else []
    slow = figures["socket_delay_seconds_max"]
    return faults + ([f"a socket heard of an event after {slow} s"] if slow > RESYNC_SECONDS else [])
