"""A20, timers: every timer fires once, although nobody was there when it came due and clocks do not agree."""

import asyncio
import time
from typing import Any

from tests.chaos import feeding
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand

SCHEDULERS = 4
SPREAD = (-4.0, -1.0, 1.5, 5.0)
CONCURRENT = 10
DUE = "UPDATE trigger SET next_at = now() - make_interval(secs => 1 + 9 * random())"
COUNTED = "SELECT count(*) AS runs, count(DISTINCT workflow_id) AS workflows FROM run"


async def run(options: Options) -> dict[str, Any]:
    """A thousand timers, four schedulers whose clocks are seconds apart."""
    return await _scenario(options, timers=100 if options.short else 1_000)


async def control(options: Options) -> dict[str, Any]:
    """Without row locks and the key of a slot the same must fail."""
    return await _scenario(options, timers=100, FLOYO_FAULTS="timers-unlocked")


async def _scenario(_options: Options, *, timers: int, **variables: str) -> dict[str, Any]:
    offsets = ",".join(f"workflows-worker-{index + 1}={seconds}" for index, seconds in enumerate(SPREAD))
    given = {"FLOYO_CLOCK_OFFSET": offsets, **variables}
    async with open_stand(scale={"workflows-worker": SCHEDULERS}, sink_seconds=0.0, **given) as stand:
        await _save(stand, timers)
        await asyncio.to_thread(stand.command, "infra.local", "stop", "workflows-worker")
        await stand.rows("workflows", DUE)
        began = time.monotonic()
        await asyncio.to_thread(stand.command, "infra.local", "start", "workflows-worker")
        await _until_fired(stand, timers, began + 90)
        seconds = time.monotonic() - began
        left = await feeding.settle(stand, time.monotonic() + 60)
        await asyncio.sleep(3)
        (counted,) = await stand.rows("workflows", COUNTED)
    missing, doubled = timers - counted["workflows"], counted["runs"] - counted["workflows"]
    faults = [f"{missing} timers never fired"] if missing else []
    faults += [f"{doubled} timers fired twice"] if doubled else []
    faults += [f"{left} runs never ended"] if left else []
    return {
        "timers": timers,
        "fires": counted["runs"],
        "doubled": doubled,
        "seconds": round(seconds, 1),
        "faults": faults,
    }


async def _save(stand: Stand, timers: int) -> None:
    """Workflows that a schedule fires; their day is far off until it is moved."""
    gate = asyncio.Semaphore(CONCURRENT)

    async def save(index: int) -> None:
        body = {
            "name": f"Timer {index}",
            "trigger": {"type": "schedule", "cron": "0 0 1 1 *", "catch_up": "one"},
            "steps": [{"id": "a", "type": "transform", "with": {"output": 1}}],
        }
        async with gate:
            status, saved = await stand.call("POST", "/workflows", json=body)
        if status != 201:
            raise RuntimeError(f"timer {index} was refused: {status} {saved}")

    await asyncio.gather(*(save(index) for index in range(timers)))


async def _until_fired(stand: Stand, timers: int, deadline: float) -> Any:
    while True:
        (counted,) = await stand.rows("workflows", COUNTED)
        if counted["workflows"] >= timers or time.monotonic() > deadline:
            return counted
        await asyncio.sleep(0.2)
