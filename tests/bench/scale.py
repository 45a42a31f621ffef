"""Total throughput with one, two and four processes of a service on the same two cores: none of it may be lost.

Posts of single events through the gateway, by as many callers each time, in rounds that alternate.
`python -m tests.bench.scale [--rounds N] [--seconds S]` ends with one JSON line.
"""

import argparse
import asyncio
import json
import statistics
import sys
from typing import Any

import orjson

from tests.bench import spending
from tests.bench.posting import Load
from tests.chaos.stand import Stand, open_stand

COUNTS = (1, 2, 4)
KEPT = 0.95
CALLERS = 64


async def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Events a second by the number of processes, the median of the rounds."""
    found: dict[int, list[float]] = {count: [] for count in COUNTS}
    spent: dict[int, float] = {}
    failures = 0
    async with open_stand(scale={}, sink_seconds=0) as stand:
        load = Load(stand.port, "/api/v1/events", {"Authorization": f"Bearer {stand.user['api_key']}"})
        for number in range(rounds):
            for count in COUNTS if number % 2 == 0 else reversed(COUNTS):
                await _scale(stand, count)
                await load.go(1.0, _body, CALLERS)
                before = spending.of_stack(stand)
                found[count].append(await load.go(seconds, _body, CALLERS))
                used = spending.a_thousand(before, spending.of_stack(stand), len(load.latencies))
                spent[count] = round(used["all"] - used.get("load", 0.0), 4)
                failures += load.failures
    medians = {count: round(statistics.median(values)) for count, values in found.items()}
    return {
        "events_per_second": medians,
        "rounds": {count: [round(value) for value in values] for count, values in found.items()},
        "cpu_seconds_per_thousand": spent,
        "failures": failures,
    }


async def _scale(stand: Stand, count: int) -> None:
    await asyncio.to_thread(stand.command, "infra.local", "scale", "--json", f"events={count}")
    await asyncio.sleep(1.5)


def _body(connection: int, count: int) -> bytes:
    return orjson.dumps({"source": "bench", "type": "scaled", "data": {"connection": connection, "count": count}})


def judge(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets, each with its value."""
    base = figures["events_per_second"][1]
    ratios = {count: round(figures["events_per_second"][count] / base, 3) for count in COUNTS[1:]}
    targets = [{"name": f"throughput of {count} / of 1", "value": ratio, "target": KEPT, "ok": ratio >= KEPT}
               for count, ratio in ratios.items()]  # fmt: skip
    failures = figures["failures"]
    return [*targets, {"name": "failures", "value": failures, "target": 0, "ok": not failures}]


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    figures = asyncio.run(measure(given.rounds, given.seconds))
    targets = judge(figures)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "scale", "ok": ok, "targets": targets, **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
