"""`python -m tests.bench.triggers [--seconds N]`: from the posting of an event to the start of its run.

Two hundred events a second through the gateway, each of which starts a run of one step. The moment of posting is the
client's, that of starting the database's; both are of one machine. `processes` says what ran.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from typing import Any

from tests.bench import machine, spending
from tests.bench.machine import Machine
from tests.chaos.stand import Stand, open_stand
from tests.chaos.traffic import percentile

RATE = 200
P50_MS, P99_MS = 50.0, 250.0
WORKFLOW = {
    "name": "At each event",
    "trigger": {"type": "event", "match": {"source": "bench", "type": "fired"}},
    "steps": [{"id": "only", "type": "transform", "with": {"output": "{{ event.subject }}"}}],
}


async def measure(seconds: float) -> dict[str, Any]:
    """After a second of warming up."""
    async with open_stand(scale={"events": 1}, sink_seconds=0.0) as stand:
        figures: dict[str, Any] = {"processes": dict(Counter(one["name"] for one in stand.all_processes()))}
        figures |= {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
        await _register(stand)
        await _post(stand, "warm", 1.0)
        before = spending.of_stack(stand)
        posted = await _post(stand, "event", seconds)
        started = await _started(stand, len(posted))
        figures["cpu_seconds_a_thousand"] = spending.a_thousand(before, spending.of_stack(stand), len(posted))
    delays = [1_000 * (started[name] - moment) for name, moment in posted.items() if name in started]
    return figures | {
        "events": len(posted), "rate": RATE, "runs": len(delays),
        "p50_ms": round(percentile(delays, 0.5), 1), "p99_ms": round(percentile(delays, 0.99), 1),
        "max_ms": round(max(delays, default=0.0), 1),
    }  # fmt: skip


async def _register(stand: Stand) -> None:
    """Returns when events knows of the trigger."""
    status, saved = await stand.call("POST", "/workflows", json=WORKFLOW)
    if status != 201:
        raise RuntimeError(f"the workflow was refused: {status} {saved}")
    for _ in range(100):
        if (await stand.rows("events", "SELECT count(*) FROM subscription WHERE active"))[0][0]:
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the trigger never reached events")


async def _post(stand: Stand, name: str, seconds: float) -> dict[str, float]:
    """When each event was posted, by its subject."""
    posted: dict[str, float] = {}
    began = time.monotonic()

    async def send(subject: str) -> None:
        posted[subject] = time.time()
        event = {"source": "bench", "type": "fired", "id": subject, "subject": subject}
        status, answer = await stand.call("POST", "/events", json=event)
        if status != 201:
            raise RuntimeError(f"{status} {answer}")

    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * RATE)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            group.create_task(send(f"{name}-{number}"))
    return posted


async def _started(stand: Stand, count: int) -> dict[str, float]:
    query = "SELECT event->>'subject' AS subject, started_at FROM run WHERE started_at IS NOT NULL"
    until = time.monotonic() + 30
    while True:
        rows = await stand.rows("workflows", query)
        found = {row["subject"]: row["started_at"].timestamp() for row in rows if row["subject"].startswith("event-")}
        if len(found) >= count or time.monotonic() > until:
            return found
        await asyncio.sleep(0.5)


def _targets(figures: dict[str, Any], here: Machine) -> list[dict[str, Any]]:
    return [
        here.target("p50 ms from event to run", figures["p50_ms"], P50_MS),
        here.target("p99 ms from event to run", figures["p99_ms"], P99_MS),
        {"name": "runs", "value": figures["runs"], "target": figures["events"],
         "ok": figures["runs"] == figures["events"]},
    ]  # fmt: skip


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.triggers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    given = parser.parse_args()
    here = machine.measure()
    figures = asyncio.run(measure(given.seconds))
    targets = _targets(figures, here)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "triggers", "ok": ok, "targets": targets, **here.figures(), **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
