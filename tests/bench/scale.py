"""Total throughput with one, two and four processes of a service on the same two cores: none of it may be lost.

Posts of single events, and reads of auth and workflows, through the gateway, by the same crowd whatever the number of
processes: as many callers as keep one process busy, and as its queue admits. Rounds alternate, and those of events with
the limit: a bare answer that stores what arrives together by one statement, as one, two and four processes.
`python -m tests.bench.scale [--rounds N] [--seconds S]` ends with one JSON line.
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.bench import beside, ingest, spending
from tests.bench.posting import Body, Load
from tests.chaos.stand import Stand, open_stand

COUNTS = (1, 2, 4)
KEPT = 0.95
WARM_SECONDS = 2.0
GROUPED = "grouped"


@dataclass(frozen=True)
class Way:
    """What is asked of a service, and by how many callers at once."""

    service: str
    method: str
    path: str
    callers: int
    body: Body
    has_limit: bool = False


def _nothing(_connection: int, _count: int) -> bytes:
    return b""


# One process of events gives no more to twice as many; one of the others turns away what exceeds its queue.
WAYS = (
    Way("events", "POST", "/api/v1/events", 512, ingest.event, has_limit=True),
    Way("auth", "GET", "/api/v1/organizations", 64, _nothing),
    Way("workflows", "GET", "/api/v1/workflows", 64, _nothing),
)


async def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """By service: requests a second by the number of processes, the median of the rounds."""
    async with open_stand(scale={}, sink_seconds=0) as stand, beside.serving(stand, {GROUPED: max(COUNTS)}) as peers:
        servers = {f"{GROUPED}-{count}": peers[GROUPED][:count] for count in COUNTS}
        await beside.route(stand, servers)
        return {way.service: await _measure_way(stand, way, rounds, seconds) for way in WAYS}


async def _measure_way(stand: Stand, way: Way, rounds: int, seconds: float) -> dict[str, Any]:
    found: dict[int, list[float]] = {count: [] for count in COUNTS}
    limit: dict[int, list[float]] = {count: [] for count in COUNTS}
    spent: dict[int, float] = {}
    failed: Counter[str] = Counter()
    load = Load(stand.port, way.path, {"Authorization": f"Bearer {stand.user['api_key']}"}, method=way.method)
    for number in range(rounds):
        for count in COUNTS if number % 2 == 0 else reversed(COUNTS):
            await _scale(stand, way.service, count)
            await load.go(WARM_SECONDS, way.body, way.callers)
            before = spending.of_stack(stand)
            found[count].append(await load.go(seconds, way.body, way.callers))
            used = spending.a_thousand(before, spending.of_stack(stand), len(load.latencies))
            spent[count] = round(used["all"] - used.get("load", 0.0), 4)
            failed += load.failed
            if way.has_limit:
                bare = Load(stand.port, f"/bench-{GROUPED}-{count}/events", {})
                await bare.go(WARM_SECONDS, ingest.event, way.callers)
                limit[count].append(await bare.go(seconds, ingest.event, way.callers))
                failed += bare.failed
    await _scale(stand, way.service, 1)
    figures: dict[str, Any] = {"per_second": _medians(found), "rounds": _rounded(found)}
    figures |= {"limit_per_second": _medians(limit), "limit_rounds": _rounded(limit)} if way.has_limit else {}
    return {**figures, "cpu_seconds_per_thousand": spent, "callers": way.callers, "failed": dict(failed)}


def _medians(found: dict[int, list[float]]) -> dict[int, int]:
    return {count: round(statistics.median(values)) for count, values in found.items()}


def _rounded(found: dict[int, list[float]]) -> dict[int, list[int]]:
    return {count: [round(value) for value in values] for count, values in found.items()}


async def _scale(stand: Stand, service: str, count: int) -> None:
    await asyncio.to_thread(stand.command, "infra.local", "scale", "--json", f"{service}={count}")
    await asyncio.sleep(1.5)


def judge(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets, each with its value; what the limit loses on this machine, nobody is asked to keep (ADR 0035)."""
    targets = []
    for service, found in figures.items():
        for count in COUNTS[1:]:
            ratio = _kept(found["per_second"], count)
            limit = _kept(found["limit_per_second"], count) if "limit_per_second" in found else 1.0
            target = round(KEPT * min(1.0, limit), 3)
            name = f"throughput of {count} × {service} / of 1"
            within = {"reference": KEPT, "within_reference": ratio >= KEPT}
            targets.append({"name": name, "value": ratio, "target": target, **within, "ok": ratio >= target})
    failures = sum(sum(found["failed"].values()) for found in figures.values())
    return [*targets, {"name": "failures", "value": failures, "target": 0, "ok": not failures}]


def _kept(per_second: dict[int, int], count: int) -> float:
    return round(per_second[count] / per_second[1], 3)


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    figures = asyncio.run(measure(given.rounds, given.seconds))
    targets = judge(figures)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "scale", "ok": ok, "targets": targets, **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
