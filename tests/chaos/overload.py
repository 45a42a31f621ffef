"""A11, overload: three times as much as there is room for; most of what there is room for is still done, the rest told.

Capacity is set by a pool of two connections and transactions that take 20 ms longer.
"""

import asyncio
import time
from typing import Any

import aiohttp

from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.traffic import percentile

HAS_SHORT = True
SLOW = {"FLOYO_FAULTS": "slow-transactions", "FLOYO_DATABASE_POOL_SIZE": "2"}
WARM_SECONDS = 3.0
TIMES, GOODPUT, SHED_MS, NORMAL_SECONDS = 3.0, 0.8, 100.0, 10.0

Answers = list[tuple[float, int, bool]]


async def run(options: Options) -> dict[str, Any]:
    """A minute of it; twelve seconds in the short form."""
    return await _scenario(12.0 if options.short else 60.0, SLOW)


async def control(_options: Options) -> dict[str, Any]:
    """Without a bound on who may wait, refusals must come late."""
    return await _scenario(12.0, {**SLOW, "FLOYO_FAULTS": "slow-transactions,no-admission-bound"})


async def _scenario(seconds: float, variables: dict[str, str]) -> dict[str, Any]:
    async with open_stand(scale={"events": 1}, sink_seconds=0.0, **variables) as stand:
        peak = await _peak(stand)
        answers = await _storm(stand, TIMES * peak, seconds)
        normal = await _until_normal(stand)
    good = sum(status == 201 for _, status, _ in answers) / seconds
    shed = [took * 1_000 for took, status, _ in answers if status == 503]
    others = sorted({status for _, status, _ in answers} - {201, 503})
    untold = sum(status == 503 and not told for _, status, told in answers)
    late = percentile(shed, 0.95)
    faults = [f"goodput is {good:.0f} of {peak:.0f} a second"] if good < GOODPUT * peak else []
    faults += [f"p95 of refusals is {late:.0f} ms"] if late > SHED_MS else []
    faults += ["nothing was refused"] if not shed else []
    faults += [f"answers of other kinds: {others}"] if others else []
    faults += [f"{untold} refusals without Retry-After"] if untold else []
    faults += [f"normal only after {normal:.1f} s"] if normal > NORMAL_SECONDS else []
    return {"peak": round(peak, 1), "asked": round(len(answers) / seconds, 1), "goodput": round(good, 1),
            "shed": len(shed), "shed_p95_ms": round(late, 1), "normal_seconds": round(normal, 2),
            "admitted_p99_ms": round(percentile([took * 1_000 for took, status, _ in answers if status == 201], 0.99)),
            "faults": faults}  # fmt: skip


async def _post(stand: Stand, name: str) -> tuple[float, int, bool]:
    """Seconds, status and whether it says when to come back; with a key, so that each is a transaction of its own."""
    began = time.monotonic()
    url = f"http://127.0.0.1:{stand.port}/api/v1/events"
    body = {"source": "chaos", "type": "sent", "id": name}
    try:
        timeout = aiohttp.ClientTimeout(total=20)
        async with stand.http.post(url, json=body, headers={"Idempotency-Key": name}, timeout=timeout) as answer:
            await answer.read()
            return time.monotonic() - began, answer.status, "Retry-After" in answer.headers
    except (aiohttp.ClientError, TimeoutError):
        return time.monotonic() - began, 0, False


async def _peak(stand: Stand) -> float:
    """Acknowledgements a second when as many ask as are just served, once everything is warm."""
    began = time.monotonic() + WARM_SECONDS
    until = began + 5
    done = 0

    async def ask(number: int) -> None:
        nonlocal done
        count = 0
        while time.monotonic() < until:
            count += 1
            taken = (await _post(stand, f"peak-{number}-{count}"))[1] == 201
            done += taken and time.monotonic() > began

    await asyncio.gather(*(ask(number) for number in range(6)))
    return done / 5


async def _storm(stand: Stand, rate: float, seconds: float) -> Answers:
    began, number = time.monotonic(), 0
    asked = []
    while time.monotonic() < began + seconds:
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        asked.append(asyncio.create_task(_post(stand, f"storm-{number}")))
        number += 1
    return list(await asyncio.gather(*asked))


async def _until_normal(stand: Stand) -> float:
    """Seconds until ten in a row are taken within half a second each."""
    began, row = time.monotonic(), 0
    while row < 10 and time.monotonic() - began < 30:
        took, status, _ = await _post(stand, f"after-{time.monotonic_ns()}")
        row = row + 1 if status == 201 and took < 0.5 else 0
    return time.monotonic() - began
