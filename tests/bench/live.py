"""`python -m tests.bench.live`: deliveries to live sockets through the gateway, beside their limit and a peer.

The limit frames once and writes to every socket, and stores nothing; the peer is python-socketio with Redis, in its own
environment. Ours are stored events. `processes` says what ran.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from infra.local import ports
from tests.bench import beside, live_peers, machine, spending
from tests.bench.listening import Crowd
from tests.chaos.stand import Stand, open_stand

SOCKETS, MANY, EVENTS = 500, 2_000, 200
GAIN, SHARE, KIBIBYTES, PROMPT_MS = 5.0, 0.5, 20.0, 50.0
PROMPT_TIMES = 1 / SHARE
LIMIT, FLOYO, PEER = "limit", "floyo", "peer"
TEXT = "x" * 60


async def measure(rounds: int) -> dict[str, Any]:
    """Every way in turns, in one run."""
    async with open_stand(scale={"events": 1}, sink_seconds=0.0) as stand, contextlib.AsyncExitStack() as peers:
        ports_of = {LIMIT: ports.free(), PEER: ports.free()}
        started = [live_peers.limit(ports_of[LIMIT])]
        peer = await asyncio.to_thread(live_peers.socketio, ports_of[PEER], _redis(stand))
        started += [peer] if peer else []
        for process in started:
            peers.callback(process.wait)
            peers.callback(process.terminate)
        await beside.route(stand, {name: [ports_of[name]] for name in (LIMIT, PEER)[: len(started)]})
        figures: dict[str, Any] = {"processes": dict(Counter(one["name"] for one in stand.all_processes()))}
        figures |= {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2), "sockets": SOCKETS}
        rates: dict[str, list[float]] = {LIMIT: [], FLOYO: [], **({PEER: []} if peer else {})}
        costs: dict[str, list[dict[str, float]]] = {name: [] for name in rates}
        for _ in range(rounds):
            for name, found in rates.items():
                rate, cost = await _burst(stand, name)
                found.append(rate)
                costs[name].append(cost)
        figures |= {f"{name}_deliveries": round(statistics.median(found)) for name, found in rates.items()}
        figures |= {f"{name}_cpu_seconds_a_thousand": spending.medians(found) for name, found in costs.items()}
        figures["limit_p99_ms"] = (await _steady(stand, LIMIT))["p99_ms"]
        return figures | await _steady(stand, FLOYO)


def _redis(stand: Stand) -> str:
    password = (stand.home / "secrets" / "redis_floyo").read_text().strip()
    (server,) = stand.processes("valkey")
    return f"redis://floyo:{password}@127.0.0.1:{server['internal_port']}/0"


def _crowd(stand: Stand, name: str) -> Crowd:
    """Sockets of one of the ways."""
    if name == LIMIT:
        return Crowd(stand.port, "/bench-limit/live", {}, [])
    if name == PEER:
        return Crowd(stand.port, "/bench-peer/socket.io/?EIO=4&transport=websocket", {}, [b"40"])
    key = {"Authorization": f"Bearer {stand.user['api_key']}"}
    return Crowd(stand.port, "/api/v1/live", key, [b'{"type":"subscribe","channels":["events"]}'])


async def _burst(stand: Stand, name: str) -> tuple[float, dict[str, float]]:
    """Deliveries a second of two hundred messages, posted at once, to five hundred sockets."""
    crowd = _crowd(stand, name)
    await crowd.open(SOCKETS)
    await asyncio.sleep(0.5)
    await _emit(stand, name, 5)
    await asyncio.sleep(0.5)
    crowd.clear()
    before = spending.of_stack(stand)
    for _ in range(4):
        await _emit(stand, name, EVENTS // 4)
    seconds = await crowd.hear(SOCKETS * EVENTS, 60)
    cost = spending.a_thousand(before, spending.of_stack(stand), crowd.frames)
    crowd.close()
    await asyncio.sleep(0.5)
    if seconds == float("inf") or crowd.frames != SOCKETS * EVENTS:
        raise RuntimeError(f"{name}: {crowd.frames} of {SOCKETS * EVENTS} frames came, {crowd.lost} sockets were lost")
    return SOCKETS * EVENTS / seconds, cost


async def _emit(stand: Stand, name: str, count: int) -> None:
    """Posts messages; each holds the mark once."""
    events = [
        {"source": "bench", "type": "told", "actor": "ada", "data": {"n": number, "text": f"{TEXT}^"}}
        for number in range(count)
    ]
    if name == FLOYO:
        status, answer = await stand.call("POST", "/events/batch", json=events)
        if status != 200 or answer["accepted"] != count:
            raise RuntimeError(f"{status} {answer}")
        return
    padding = {
        "type": "message",
        "channel": "events",
        "position": "1-2f3a-12d687",
        "epoch": 1,
        "received_at": "x" * 220,
    }
    messages = [{**padding, **event} for event in events]
    body = json.dumps(messages) if name == PEER else "\n".join(map(json.dumps, messages))
    async with stand.http.post(f"http://127.0.0.1:{stand.port}/bench-{name}/emit", data=body) as answer:
        await answer.read()


async def _steady(stand: Stand, name: str) -> dict[str, Any]:
    """How late 4,000 deliveries a second come to two thousand sockets, and what events holds for these."""
    (process,) = stand.processes("events")
    crowd = _crowd(stand, name)
    empty = _private(process["pid"])
    await crowd.open(MANY)
    await asyncio.sleep(1)
    held = (_private(process["pid"]) - empty) / MANY
    delays: list[float] = []
    for _ in range(12):
        crowd.clear()
        await _emit(stand, name, 1)
        await crowd.hear(MANY, 10)
        delays += [moment - crowd.began for moment in crowd.times]
        await asyncio.sleep(max(0.0, 0.5 - (time.perf_counter() - crowd.began)))
    crowd.close()
    delays.sort()
    return {"kib_a_socket": round(held, 1), "steady_deliveries": len(delays), "lost_sockets": crowd.lost,
            "p50_ms": round(delays[len(delays) // 2] * 1_000, 1),
            "p99_ms": round(delays[int(len(delays) * 0.99)] * 1_000, 1)}  # fmt: skip


def _private(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _targets(figures: dict[str, Any]) -> list[dict[str, Any]]:
    ours = figures["floyo_deliveries"]
    gain = round(ours / figures["peer_deliveries"], 2) if "peer_deliveries" in figures else None
    share = round(ours / figures["limit_deliveries"], 3)
    times = round(figures["p99_ms"] / figures["limit_p99_ms"], 2)
    return [
        {"name": "deliveries / python-socketio", "value": gain, "target": GAIN,
         "ok": gain is not None and gain >= GAIN},
        {"name": "deliveries / encoded once", "value": share, "target": SHARE, "ok": share >= SHARE},
        {"name": "KiB a socket", "value": figures["kib_a_socket"], "target": KIBIBYTES,
         "ok": figures["kib_a_socket"] <= KIBIBYTES},
        {"name": "p99 at 4,000 deliveries/s on 2,000 sockets / of encoded once", "value": times, "target": PROMPT_TIMES,
         "ms": figures["p99_ms"], "reference_ms": PROMPT_MS, "within_reference": figures["p99_ms"] <= PROMPT_MS,
         "ok": times <= PROMPT_TIMES},
        {"name": "steady deliveries", "value": figures["steady_deliveries"], "target": 12 * MANY,
         "ok": figures["steady_deliveries"] == 12 * MANY},
    ]  # fmt: skip


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.live", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    here = machine.measure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(measure(given.rounds))
    targets = _targets(figures)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "live", "ok": ok, "targets": targets, **here.figures(), **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
