"""Total throughput with one, two and four processes of a service on the same two cores: none of it may be lost.

Posts of single events, and reads of auth and workflows, through the gateway, by the same crowd whatever the number of
processes: as many callers as keep one process busy, and as its queue admits. Four processes run, and the gateway sends
to one, two or all of them in short turns, so that a machine whose speed changes changes it for all; those of events go
with the limit: a bare answer that stores what arrives together by one statement, as one, two and four processes. What
is kept is the median of what the rounds kept.
`python -m tests.bench.scale [--rounds N] [--seconds S]` ends with one JSON line.
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import beside, ingest, spending
from tests.bench.posting import Body, Load
from tests.chaos.stand import Stand, open_stand

COUNTS = (1, 2, 4)
MOST = max(COUNTS)
KEPT = 0.95
WARM_SECONDS = 0.5
FLOYO, LIMIT = "floyo", "limit"

Turn = tuple[str, int]


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
    """By service: requests a second by the number of processes, and what of it the rounds kept."""
    async with open_stand(scale={}, sink_seconds=0) as stand, beside.serving(stand, {"grouped": MOST}) as peers:
        return {way.service: await _measure_way(stand, way, peers["grouped"], rounds, seconds) for way in WAYS}


async def _measure_way(stand: Stand, way: Way, peers: Sequence[int], rounds: int, seconds: float) -> dict[str, Any]:
    await _scale(stand, way.service, MOST)
    servers: dict[str, Sequence[int]] = {FLOYO: [process["public_port"] for process in stand.processes(way.service)]}
    servers |= {LIMIT: peers} if way.has_limit else {}
    loads = {(name, count): _load(stand, way, name, count) for name in servers for count in COUNTS}
    places = {_place(way, name, count): ports[:count] for name, ports in servers.items() for count in COUNTS}
    await beside.route(stand, places, probe="/health/readiness")
    found: dict[Turn, list[float]] = {turn: [] for turn in loads}
    spent: dict[Turn, list[dict[str, float]]] = {turn: [] for turn in loads}
    failed: Counter[str] = Counter()
    for number in range(rounds):
        for turn in loads if number % 2 == 0 else reversed(loads):
            await loads[turn].go(WARM_SECONDS, way.body, way.callers)
            failed += loads[turn].failed
            before = spending.of_stack(stand)
            found[turn].append(await loads[turn].go(seconds, way.body, way.callers))
            failed += loads[turn].failed
            spent[turn].append(spending.a_thousand(before, spending.of_stack(stand), len(loads[turn].latencies)))
    await _scale(stand, way.service, 1)
    by_name = {name: _figures({count: found[name, count] for count in COUNTS}) for name in servers}
    cpu = {count: spending.medians(spent[FLOYO, count]) for count in COUNTS}
    return {**by_name, "cpu_seconds_per_thousand": cpu, "callers": way.callers, "failed": dict(failed)}


def _load(stand: Stand, way: Way, name: str, count: int) -> Load:
    headers = {"Authorization": f"Bearer {stand.user['api_key']}"} if name == FLOYO else {}
    return Load(stand.port, f"/bench-{_place(way, name, count)}{way.path}", headers, method=way.method)


def _place(way: Way, name: str, count: int) -> str:
    return f"{way.service}-{name}-{count}"


def _figures(found: dict[int, list[float]]) -> dict[str, Any]:
    kept = {count: [many / one for many, one in zip(found[count], found[1], strict=True)] for count in COUNTS[1:]}
    return {
        "per_second": {count: round(statistics.median(values)) for count, values in found.items()},
        "rounds": {count: [round(value) for value in values] for count, values in found.items()},
        "kept": {count: round(statistics.median(values), 3) for count, values in kept.items()},
    }


async def _scale(stand: Stand, service: str, count: int) -> None:
    await asyncio.to_thread(stand.command, "infra.local", "scale", "--json", f"{service}={count}")
    await asyncio.sleep(1.5)


def judge(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets, each with its value; what the limit loses on this machine, nobody is asked to keep (ADR 0035)."""
    targets = []
    for service, found in figures.items():
        for count, kept in found[FLOYO]["kept"].items():
            limit = found[LIMIT]["kept"][count] if LIMIT in found else 1.0
            target = round(KEPT * min(1.0, limit), 3)
            name = f"throughput of {count} × {service} / of 1"
            within = {"reference": KEPT, "within_reference": kept >= KEPT}
            targets.append({"name": name, "value": kept, "target": target, **within, "ok": kept >= target})
    failures = sum(sum(found["failed"].values()) for found in figures.values())
    return [*targets, {"name": "failures", "value": failures, "target": 0, "ok": not failures}]


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    figures = asyncio.run(measure(given.rounds, given.seconds))
    targets = judge(figures)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "scale", "ok": ok, "targets": targets, **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
