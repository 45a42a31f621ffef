"""Rate limits: what one request pays, and hits counted together beside one command a request; on a Valkey of its own.

`python -m tests.bench.limits [--requests N]` ends with one JSON line.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from infra.local import ports, valkey
from infra.local.program import stop
from shared import errors
from shared.identity import Principal
from shared.limits import Gate
from shared.ratelimit import Limit, Limiter, Standing

CONCURRENT = 32
CALLS, ROOM = 4_000, 1_000
TURNS = 10
ADDED_OF_HIT, TIMES = 1.15, 3.0
ADDED_MS = 0.15  # where a hit took 0.13: told beside the ratio
LARGE = Limit("bench", 100_000_000, 60)


async def measure(url: str, requests: int) -> dict[str, Any]:
    """Every figure on one running Valkey."""
    limiter = Limiter(url, "bench-1")
    bare = _bare(url)
    try:
        figures: dict[str, Any] = {"one_limit_ms": await _alone(lambda: limiter.take(LARGE, "ada"), requests)}
        figures |= await _in_turns(_request(limiter), bare, requests)
        figures["together_per_second"] = await _crowd(lambda: limiter.take(LARGE, "grace"), requests * 4)
        figures["requests_per_second"] = await _crowd(_request(limiter), requests * 4)
        figures["one_hit_per_second"] = await _crowd(bare, requests)
        figures["backend"] = limiter.backend
        return figures | {"admitted": await _exact(url), "admitted_of": ROOM}
    finally:
        await limiter.close()


def _bare(url: str) -> Callable[[], Awaitable[Any]]:
    """One hit of the library, as a request would do without us."""
    counter = SlidingWindowCounterRateLimiter(RedisStorage(f"async+{url}", implementation="redispy"))
    item = RateLimitItemPerMinute(LARGE.quota, namespace="bench")
    return lambda: counter.hit(item, "bare")


def _request(limiter: Limiter) -> Callable[[], Awaitable[Any]]:
    """All limits of one request of a caller with a key."""
    gate = Gate(limiter, {})
    principal = Principal("api_key", uuid4(), frozenset(), 2**40, 0.0, key_id=uuid4())
    return lambda: gate.admit({"method": "POST", "path": "/api/v1/events"}, principal)


async def _alone(call: Callable[[], Awaitable[Any]], count: int) -> float:
    """The median milliseconds of calls one after another."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken) * 1_000, 4)


async def _in_turns(request: Callable[[], Awaitable[Any]], bare: Callable[[], Awaitable[Any]], count: int) -> Any:
    """Milliseconds of a request and of one hit of the library, in turns, since others may be at work on the machine."""
    ours, theirs, spent = [], [], 0.0
    for _ in range(TURNS):
        began = time.process_time()
        ours.append(await _alone(request, count // TURNS))
        spent += time.process_time() - began
        theirs.append(await _alone(bare, count // TURNS))
    return {
        "request_ms": round(statistics.median(ours), 4),
        "one_hit_ms": round(statistics.median(theirs), 4),
        "cpu_seconds_per_thousand": round(spent / count * 1_000, 4),
    }


async def _crowd(call: Callable[[], Awaitable[Any]], count: int) -> int:
    """Calls a second by as many callers at once as a busy process has."""

    async def go() -> None:
        for _ in range(count // CONCURRENT):
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(go() for _ in range(CONCURRENT)))
    return round(count // CONCURRENT * CONCURRENT / (time.perf_counter() - began))


async def _exact(url: str) -> int:
    """How many calls of four limiters, as crowded, a small limit admits."""
    limiters = [Limiter(url, f"bench-{number}") for number in range(4)]
    limit = Limit("bench-exact", ROOM, 60)

    async def go(limiter: Limiter) -> int:
        good = 0
        for _ in range(CALLS // CONCURRENT):
            try:
                good += isinstance(await limiter.take(limit, "ada"), Standing)
            except errors.TooManyRequests:
                continue
        return good

    admitted = sum(await asyncio.gather(*(go(limiters[number % 4]) for number in range(CONCURRENT))))
    for limiter in limiters:
        await limiter.close()
    return admitted


def judge(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets, each with its value."""
    added = round(figures["request_ms"] / figures["one_hit_ms"], 3)
    times = round(figures["together_per_second"] / figures["one_hit_per_second"], 2)
    return [
        {"name": "added to a request at concurrency 1 / one hit of the library", "value": added,
         "target": ADDED_OF_HIT, "ok": added <= ADDED_OF_HIT, "added_ms": figures["request_ms"], "reference": ADDED_MS,
         "within_reference": figures["request_ms"] <= ADDED_MS},
        {"name": "together / one hit a request at 32", "value": times, "target": TIMES, "ok": times >= TIMES},
        {"name": "admitted", "value": figures["admitted"], "target": ROOM, "ok": figures["admitted"] == ROOM},
    ]  # fmt: skip


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.limits", description=__doc__)
    parser.add_argument("--requests", type=int, default=3_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="floyo-limits-") as folder:
        Path(folder).chmod(0o711)
        server = valkey.prepare(Path(folder) / "valkey", ports.free(), {valkey.ADMINISTRATOR: uuid4().hex})
        process = valkey.run(server, subprocess.DEVNULL)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # what servers run on
                figures = runner.run(measure(server.url(), given.requests))
        finally:
            stop(process, server.program())
    targets = judge(figures)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "limits", "ok": ok, "targets": targets, **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
