"""`python -m tests.bench.ingest [--seconds N] [--rounds N] [--rows N]`: posting events through the gateway.

The limit is a bare ASGI answer through the same gateway, for batches `unnest … ON CONFLICT` alone; the peer is FastAPI
with SQLAlchemy, for batches with COPY. All take turns in one run, on one PostgreSQL; a figure is the median of its
rounds. Afterwards the log grows to `--rows` events, and batches must go on as before. `processes` says what ran.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from typing import Any

import uvloop

from tests.bench import beside, growth, ingest_peers, machine, spending
from tests.bench.posting import Load
from tests.chaos.stand import Stand, open_stand

BATCH = 1_000
BATCHES = 40
SINGLE_SHARE, SINGLE_GAIN, BATCH_GAIN, BATCH_SHARE, GROWN_SHARE = 0.6, 7.0, 1.5, 0.75, 0.9
# How many times the peer the limit is on the machine of reference (ADR 0042).
SINGLE_LIMIT, BATCH_LIMIT = 11.5, 2.01
# 15 ms where the bare answer took 6.4 (ADR 0037).
PROMPT_MS, PROMPT_TIMES = 15.0, 2.34
LIMIT, FLOYO, PEER = "limit", "floyo", "peer"


def event(number: int, count: int) -> bytes:
    """An event that nobody sent before."""
    name = b"%d-%d-%d" % (number, count, time.time_ns())
    head = b'{"source":"bench","type":"posted","id":"%b","actor":"ada","data":{"n":%d,"text":"%b"}}'
    return head % (name, count, b"x" * 60)


def batch(number: int, count: int) -> bytes:
    """A thousand of them."""
    return b"[" + b",".join(event(number, count * BATCH + index) for index in range(BATCH)) + b"]"


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Every way in turns, in one run."""
    async with (
        open_stand(scale={"events": 1}, sink_seconds=0.0) as stand,
        beside.serving(stand, {"bare": 1, "usual": 1}) as servers,
    ):
        await beside.route(stand, servers)
        running = Counter(process["name"] for process in stand.all_processes())
        figures: dict[str, Any] = {"processes": dict(running), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        key = {"Authorization": f"Bearer {stand.user['api_key']}"}
        figures |= await _singles(stand, key, given)
        figures |= await _batches(stand, key, await beside.database(stand), given.rounds)
        figures["stored"] = (await stand.rows("events", "SELECT count(*) AS number FROM event"))[0]["number"]
        if given.rows:
            figures |= await growth.measure(stand, lambda: _batch_rate(stand, "/api/v1/events/batch", key), given.rows)
    return figures


async def _singles(stand: Stand, key: dict[str, str], given: argparse.Namespace) -> dict[str, Any]:
    """Posts a second by 64 at once: a bare answer, ours, the peer's, in turns."""
    ways: dict[str, tuple[str, dict[str, str]]] = {
        LIMIT: ("/bench-bare/x", {}), FLOYO: ("/api/v1/events", key), PEER: ("/bench-usual/events", {}),
    }  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name in ways}
    p99: dict[str, list[float]] = {name: [] for name in ways}
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    failures = 0
    for number in range(given.rounds + 1):  # the first warms up
        for name, (path, headers) in ways.items():
            load = Load(stand.port, path, headers)
            before = spending.of_stack(stand)
            rate = await load.go(given.seconds if number else 1.0, event)
            failures += load.failures
            if number:
                rates[name].append(rate)
                p99[name].append(load.percentile(0.99))
                costs[name].append(spending.a_thousand(before, spending.of_stack(stand), len(load.latencies)))
    figures: dict[str, Any] = {name: round(statistics.median(found)) for name, found in rates.items()}
    figures |= {f"{name}_p99_ms": statistics.median(found) for name, found in p99.items()}
    spent = {name: spending.medians(found) for name, found in costs.items()}
    return figures | {"singles_failures": failures, "cpu_seconds_a_thousand": spent}


async def _batches(stand: Stand, key: dict[str, str], dsn: str, rounds: int) -> dict[str, Any]:
    """Events a second in batches of a thousand: ours and the peer's through the gateway, and `unnest` alone."""
    rates: dict[str, list[float]] = {FLOYO: [], PEER: [], LIMIT: []}
    before = spending.of_stack(stand)
    for _ in range(rounds):
        rates[FLOYO].append(await _batch_rate(stand, "/api/v1/events/batch", key))
    cost = spending.a_thousand(before, spending.of_stack(stand), rounds * BATCHES * BATCH)
    for number in range(rounds):
        rates[PEER].append(await _batch_rate(stand, "/bench-usual/batch", {}))
        rates[LIMIT].append(await ingest_peers.unnest(dsn, [batch(number, count) for count in range(BATCHES)]))
        rates[FLOYO].append(await _batch_rate(stand, "/api/v1/events/batch", key))
    figures: dict[str, Any] = {f"{name}_batch_events": round(statistics.median(all_)) for name, all_ in rates.items()}
    return figures | {"batch_cpu_seconds_a_thousand": cost}


async def _batch_rate(stand: Stand, path: str, headers: dict[str, str]) -> float:
    bodies = [batch(0, count) for count in range(BATCHES)]
    load = Load(stand.port, path, headers)
    rate = await load.each(bodies)
    if load.failures:
        raise RuntimeError(f"{load.failures} batches failed at {path}")
    return rate * BATCH


def _targets(figures: dict[str, Any]) -> list[dict[str, Any]]:
    batches = {name: figures[f"{name}_batch_events"] for name in (FLOYO, LIMIT, PEER)}
    ratios = [
        ("singles / raw ASGI through the gateway", figures[FLOYO] / figures[LIMIT], SINGLE_SHARE),
        ("batches / unnest alone", batches[FLOYO] / batches[LIMIT], BATCH_SHARE),
    ]
    if "grown" in figures:
        ratios.append((f"at {figures['rows']} rows / at 100,000", figures["grown"] / figures["small"], GROWN_SHARE))
    targets: list[dict[str, Any]] = [
        {"name": name, "value": round(value, 3), "target": target, "ok": value >= target}
        for name, value, target in ratios
    ]
    targets += [
        _gain("singles / FastAPI + SQLAlchemy", figures, SINGLE_GAIN, SINGLE_LIMIT),
        _gain("batches / FastAPI + COPY", batches, BATCH_GAIN, BATCH_LIMIT),
    ]
    failures = figures["singles_failures"]
    times = round(figures["floyo_p99_ms"] / figures["limit_p99_ms"], 2)
    return [
        *targets,
        {"name": "p99 of singles / of raw ASGI", "value": times, "target": PROMPT_TIMES, "ms": figures["floyo_p99_ms"],
         "reference_ms": PROMPT_MS, "within_reference": figures["floyo_p99_ms"] <= PROMPT_MS,
         "ok": times <= PROMPT_TIMES},
        {"name": "failures", "value": failures, "target": 0, "ok": not failures},
    ]  # fmt: skip


def _gain(name: str, rates: dict[str, Any], reference: float, limit: float) -> dict[str, Any]:
    """A line that asks for as much of a gain over the peer as the limit has of its own here."""
    gain = round(rates[FLOYO] / rates[PEER], 3)
    target = round(reference * min(1.0, rates[LIMIT] / rates[PEER] / limit), 3)
    return {
        "name": name, "value": gain, "target": target, "reference": reference,
        "within_reference": gain >= reference, "ok": gain >= target,
    }  # fmt: skip


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000_000, help="how far the log grows; 0 leaves that out")
    given = parser.parse_args()
    here = machine.measure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(measure(given))
    targets = _targets(figures)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "ingest", "ok": ok, "targets": targets, **here.figures(), **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
