"""A19, outbound-hooks: a dead receiver is tried eight times over a day and then given up, and delays nobody else."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from infra.local import ports
from infra.local.home import ROOT, Home
from tests.chaos import target as targets
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.target import Target

DELAYS = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
JITTER = 0.1
HEALTHY = 4
BACKLOG = 400
RATE, TURN_SECONDS = 40, 6.0
STATE = "SELECT status, attempts, due_at, attempted_at FROM webhook_delivery WHERE id = $1"


async def run(options: Options) -> dict[str, Any]:
    """The whole schedule by a shifted clock, and the delay that a dead receiver adds to others."""
    async with _opened() as (stand, target, dead):
        schedule, faults = await _follow_schedule(stand, target, attempts=4 if options.short else 8)
        delays, more = await _measure_neighbours(stand, target, dead, turns=1 if options.short else 6)
    return {**schedule, **delays, "faults": faults + more}


async def control(_options: Options) -> dict[str, Any]:
    """With one queue for all receivers the others must wait."""
    async with _opened(FLOYO_FAULTS="one-delivery-queue") as (stand, target, dead):
        delays, faults = await _measure_neighbours(stand, target, dead, turns=1)
    return {**delays, "faults": faults}


@asynccontextmanager
async def _opened(**variables: str) -> AsyncIterator[tuple[Stand, Target, Target]]:
    """A stack, receivers that are well, and one elsewhere that is not."""
    async with targets.listening() as target, targets.listening() as dead:
        allowed = f"127.0.0.1:{target.port},127.0.0.1:{dead.port}"
        scale = {"integrations": 1}
        async with open_stand(scale=scale, sink_seconds=0, FLOYO_EGRESS_ALLOW=allowed, **variables) as stand:
            yield stand, target, dead


async def _webhook(stand: Stand, url: str) -> str:
    status, made = await stand.call("POST", "/webhooks", json={"url": url})
    if status != 201:
        raise RuntimeError(f"the webhook was refused: {status} {made}")
    return str(made["id"])


async def _follow_schedule(stand: Stand, target: Target, *, attempts: int) -> tuple[dict[str, Any], list[str]]:
    """Attempt after attempt at a receiver that answers 500, each by a worker whose clock is just past it."""
    target.statuses["/dead"] = 500
    webhook = await _webhook(stand, f"{target.url}/dead")
    await asyncio.to_thread(stand.command, "infra.local", "scale", "integrations-worker=0", "--json")
    _, made = await stand.call("POST", f"/webhooks/{webhook}/test")
    delivery, faults, offset = UUID(made["delivery_id"]), [], 0.0
    for number in range(1, attempts + 1):
        state = await _attempt(stand, delivery, number, offset)
        if state["attempts"] != number:
            faults.append(f"attempt {number} was not made {offset:.0f} s after the first")
            break
        if number <= len(DELAYS):
            waited = (state["due_at"] - state["attempted_at"]).total_seconds()
            if not DELAYS[number - 1] <= waited <= DELAYS[number - 1] * (1 + JITTER) + 1:
                faults.append(f"after attempt {number} it waits {waited:.0f} s instead of {DELAYS[number - 1]} s")
            offset = (state["due_at"] - datetime.now(UTC)).total_seconds() + 1
    seen = target.calls("/dead")
    if len({call.headers["webhook-id"] for call in seen}) != 1:
        faults.append("the id changed between attempts")
    if len({call.headers["webhook-timestamp"] for call in seen}) != len(seen):
        faults.append("two attempts have one timestamp")
    status = "dead" if attempts == len(DELAYS) + 1 else "pending"
    if state["status"] != status:
        faults.append(f"after {attempts} attempts it is {state['status']}")
    await asyncio.to_thread(stand.command, "infra.local", "scale", "integrations-worker=1", "--json")
    return {"attempts": len(seen), "status": state["status"], "days_spanned": round(offset / 86_400, 2)}, faults


async def _attempt(stand: Stand, delivery: UUID, number: int, offset: float) -> Any:
    """The delivery after a worker with a shifted clock has had its time for it."""
    with _worker(stand, offset):
        for _ in range(400):  # a busy machine may take long to start a process
            (state,) = await stand.rows("integrations", STATE, delivery)
            if state["attempts"] >= number:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.7)  # long enough for an attempt too many
        (state,) = await stand.rows("integrations", STATE, delivery)
    return state


class _worker:  # noqa: N801  # reads as a statement
    """One worker process of our own, whose clock is ahead."""

    def __init__(self, stand: Stand, offset: float) -> None:
        self._variables = {**os.environ, **_settings(stand), **stand.variables, "FLOYO_CLOCK_OFFSET": str(offset)}

    def __enter__(self) -> None:
        variables = {**self._variables, "FLOYO_INTERNAL_PORT": str(ports.free()), "FLOYO_INSTANCE": "shifted"}
        command = [sys.executable, "-m", "shared.worker", "integrations"]
        output = subprocess.DEVNULL
        self._process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output)

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait()


def _settings(stand: Stand) -> dict[str, str]:
    from infra.local import rotation

    return {**rotation.variables(Home(stand.home)), "FLOYO_PUBLIC_URL": f"http://127.0.0.1:{stand.port}"}


async def _measure_neighbours(
    stand: Stand, target: Target, dead: Target, *, turns: int
) -> tuple[dict[str, Any], list[str]]:
    """How long deliveries to healthy receivers take, beside one that hangs with a backlog and without it.

    The two are measured in turn, so that whatever else the machine does is in both; each turn has a p99 of its own, and
    the middle one counts, so that one stall of the machine does not decide.
    """
    healthy = [await _webhook(stand, f"{target.url}/healthy-{number}") for number in range(HEALTHY)]
    dead.hanging.add("/hanging")
    hanging = await _webhook(stand, f"{dead.url}/hanging")
    turned: dict[bool, list[list[float]]] = {True: [], False: []}
    for turn in range(2 * turns):
        beside = turn % 2 == 1
        await stand.call("PATCH", f"/webhooks/{hanging}", json={"active": beside})
        if turn == 1:  # not earlier, or what it holds up would count as alone
            await asyncio.gather(*(stand.call("POST", f"/webhooks/{hanging}/test") for _ in range(BACKLOG)))
        await asyncio.sleep(1)
        turned[beside].append(await _deliver(stand, target, healthy))
    each = {beside: sorted(statistics.quantiles(one, n=100)[98] for one in found) for beside, found in turned.items()}
    alone, slowed = (statistics.median(each[beside]) for beside in (False, True))
    hung, ratio = len(dead.calls("/hanging")), slowed / alone
    faults = [f"a dead receiver slows others {ratio:.2f}×"] if ratio > 1.2 else []
    faults += ["the dead receiver was never called"] if not hung else []
    return {
        "deliveries_each": sum(map(len, turned[True])),
        "calls_to_dead": hung,
        "p99_ms_alone": round(alone * 1000),
        "p99_ms_beside_dead": round(slowed * 1000),
        "p99_ms_of_turns_alone": [round(one * 1000) for one in each[False]],
        "p99_ms_of_turns_beside": [round(one * 1000) for one in each[True]],
        "ratio": round(ratio, 2),
    }, faults


async def _deliver(stand: Stand, target: Target, webhooks: list[str]) -> list[float]:
    """The seconds from asking for a delivery to its arrival, at a steady rate for one turn."""
    asked: dict[str, float] = {}
    began = time.monotonic()

    async def ask(webhook: str) -> None:
        at = time.monotonic()
        _, made = await stand.call("POST", f"/webhooks/{webhook}/test")
        asked["msg_" + UUID(made["delivery_id"]).hex] = at

    async with asyncio.TaskGroup() as group:
        for number in range(int(TURN_SECONDS * RATE)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            group.create_task(ask(webhooks[number % len(webhooks)]))
    deadline = time.monotonic() + 30
    arrived: dict[str, float] = {}
    while asked.keys() - arrived.keys() and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        arrived = {seen.headers["webhook-id"]: seen.at for seen in reversed(target.seen) if "healthy" in seen.path}
    return [arrived.get(message, time.monotonic()) - at for message, at in asked.items()]
