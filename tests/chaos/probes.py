"""A15, probes: while PostgreSQL is down, nobody is restarted or taken out of the listing, and endpoints say 503."""

import asyncio
import time
from collections import Counter
from typing import Any

import aiohttp

from infra.local import discovery
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.traffic import Traffic

HAS_SHORT = True
RATE = 20
# What cannot be answered from memory.
READS = ("/organizations", "/events?limit=5", "/workflows?limit=5", "/integrations?limit=5")
WRITES = ("/events", "/workflows", "/integrations")
BACK_SECONDS, PROBE_SECONDS = 5.0, 3.0


async def run(options: Options) -> dict[str, Any]:
    """A minute without PostgreSQL; eight seconds in the short form."""
    return await _scenario(options, 8.0 if options.short else 60.0)


async def control(options: Options) -> dict[str, Any]:
    """Readiness that asks PostgreSQL must take every instance out of the gateway's listing."""
    return await _scenario(options, 6.0, FLOYO_FAULTS="readiness-asks-database")


async def _scenario(options: Options, seconds: float, **variables: str) -> dict[str, Any]:
    async with open_stand(scale={"events": 2}, sink_seconds=0, **variables) as stand:
        before = await _processes(stand)
        async with Traffic(stand, RATE, reads=READS, writes=WRITES) as traffic:
            await asyncio.sleep(1)
            await asyncio.to_thread(stand.command, "infra.local", "stop", "postgres")
            down = time.monotonic()
            late: list[str] = []
            probed = await _probe(stand, before, down + seconds, options.within(PROBE_SECONDS))
            up = time.monotonic()
            try:
                await asyncio.to_thread(stand.command, "infra.local", "start", "postgres")
            except RuntimeError as error:  # it says who is not routed again within seconds
                late = [str(error)[:300]]
            recovered = await _recover(traffic)
        after = await _processes(stand)
    answers = [answer for answer in traffic.answers if down + 1 < answer.at < up - 1]
    kinds = Counter((answer.status, answer.media) for answer in answers)
    faults = _judge(probed, kinds, before, after) + late
    faults += [f"it took {recovered:.1f} s to answer again"] if recovered > options.within(BACK_SECONDS) else []
    told = {f"{status} {media}": count for (status, media), count in kinds.items()}
    probes = {f"{probe} {status} {state}": count for (probe, status, state), count in probed.items()}
    return {"answers": told, "probes": probes, "recovered_seconds": round(recovered, 2), "faults": faults}


def _judge(
    probed: Counter[tuple[str, int, str]], kinds: Counter[tuple[int, str]], before: list[Any], after: list[Any]
) -> list[str]:
    faults = [f"{count} × {probe} answered {status} {state}" for (probe, status, state), count in probed.items()
              if status != 200]  # fmt: skip
    if not any(state == "degraded" for _, _, state in probed):
        faults.append("no readiness was degraded")
    wrong = {kind: count for kind, count in kinds.items() if kind != (503, "application/problem+json")}
    faults += [f"{sum(wrong.values())} answers of other kinds, such as {next(iter(wrong))}"] if wrong else []
    changed = {p["instance"] for p in after} ^ {p["instance"] for p in before}
    restarts = [p["instance"] for p, q in zip(after, before, strict=False) if p["pid"] != q["pid"] or changed]
    return faults + ([f"restarted: {restarts}"] if restarts else [])


async def _processes(stand: Stand) -> list[dict[str, Any]]:
    return [process for name in discovery.process_names() for process in await asyncio.to_thread(stand.processes, name)]


async def _probe(
    stand: Stand, processes: list[dict[str, Any]], until: float, patience: float
) -> Counter[tuple[str, int, str]]:
    """Liveness and readiness of every process, as an orchestrator asks them, each second."""
    found: Counter[tuple[str, int, str]] = Counter()
    while time.monotonic() < until:
        asked = [(process, probe) for process in processes for probe in ("liveness", "readiness")]
        for answer in await asyncio.gather(*(_ask(stand, process, probe, patience) for process, probe in asked)):
            found[answer] += 1
        await asyncio.sleep(1)
    return found


async def _ask(stand: Stand, process: dict[str, Any], probe: str, patience: float) -> tuple[str, int, str]:
    url = f"http://127.0.0.1:{process['internal_port']}/health/{probe}"
    try:
        async with stand.http.get(url, timeout=aiohttp.ClientTimeout(total=patience)) as answer:
            return probe, answer.status, str((await answer.json(content_type=None)).get("status"))
    except (aiohttp.ClientError, TimeoutError) as error:
        return probe, 0, type(error).__name__


async def _recover(traffic: Traffic) -> float:
    """Seconds until everything asked in half a second was answered well."""
    began = time.monotonic()
    while time.monotonic() - began < 30:
        await asyncio.sleep(0.1)
        late = [answer for answer in traffic.answers if answer.at > time.monotonic() - 0.7]
        if late and all(200 <= answer.status < 300 for answer in late):
            break
    return time.monotonic() - began
