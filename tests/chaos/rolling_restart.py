"""A9, rolling-restart: every API process is ended in good order, one after the other, and no request fails or waits."""

import asyncio
import signal
import time
from typing import Any

from infra.local import discovery
from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand
from tests.chaos.traffic import Traffic

RATE, SHORT_RATE = 200, 80
SLOWEST = 2.0
WARM_SECONDS = 5.0
BACK_SECONDS = 30.0


async def run(options: Options) -> dict[str, Any]:
    """Two of each of the four services, every one of them; at less than half the rate in the short form."""
    return await _scenario(SHORT_RATE if options.short else RATE)


async def control(options: Options) -> dict[str, Any]:
    """Without draining, requests must meet closed doors."""
    return await _scenario(SHORT_RATE if options.short else RATE, FLOYO_FAULTS="no-drain")


async def _scenario(rate: int, **variables: str) -> dict[str, Any]:
    services = discovery.services()
    scale = dict.fromkeys(services, 2)
    async with open_stand(scale=scale, sink_seconds=0, **variables) as stand:
        async with Traffic(stand, rate / 4):  # what has only just begun is not restarted yet: it opens its connections
            await asyncio.sleep(WARM_SECONDS)
        async with Traffic(stand, rate) as traffic:
            await asyncio.sleep(2)
            restarted = [await _restart(stand, process) for name in services for process in await _of(stand, name)]
            await asyncio.sleep(2)
    failed, slowest = len(traffic.failed), traffic.slowest
    faults = [f"{failed} of {len(traffic.answers)} requests failed"] if failed else []
    faults += [f"the slowest took {slowest:.1f} s"] if slowest >= SLOWEST else []
    faults += [f"{restarted.count(False)} processes did not come back"] if not all(restarted) else []
    return {**traffic.figures(), "restarted": len(restarted), "faults": faults}


async def _of(stand: Stand, name: str) -> list[dict[str, Any]]:
    return await asyncio.to_thread(stand.processes, name)


async def _restart(stand: Stand, process: dict[str, Any]) -> bool:
    """SIGTERM, and wait until another process has taken its place and is ready."""
    kill(process["pid"], signal.SIGTERM)
    deadline = time.monotonic() + BACK_SECONDS
    while time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        (found,) = [one for one in await _of(stand, process["name"]) if one["instance"] == process["instance"]]
        if found["state"] == "ready" and found["pid"] not in {None, process["pid"]}:
            await asyncio.sleep(1.2)  # the gateway's next look at its health
            return True
    return False
