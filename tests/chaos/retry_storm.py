"""A12, retry-storm: a dependency that fails is not asked more often for failing, and not in waves."""

import asyncio
import time
from collections import Counter
from typing import Any

from tests.chaos import target as targets
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.target import Target

RATE = 100
BUCKET = 0.1
AMPLIFIED, WAVE = 1.1, 3.0
WARM = 20


async def run(options: Options) -> dict[str, Any]:
    """A hundred calls a second, each of which may be repeated, at a dependency that answers 503."""
    return await _scenario(seconds=8 if options.short else 25)


async def control(_options: Options) -> dict[str, Any]:
    """Two layers that each try three times must ask nine times as often."""
    return await _scenario(seconds=6, FLOYO_FAULTS="two-retry-layers")


async def _scenario(*, seconds: float, **variables: str) -> dict[str, Any]:
    async with targets.listening() as target:
        allowed = f"127.0.0.1:{target.port}"
        scale = {"integrations": 2}
        async with open_stand(scale=scale, sink_seconds=0, FLOYO_EGRESS_ALLOW=allowed, **variables) as stand:
            action = await _connect(stand, target)
            target.statuses["/"] = 503
            answers = await _load(stand, action, seconds)
            await asyncio.sleep(1)
    return _judge(target, answers)


async def _connect(stand: Stand, target: Target) -> str:
    """The path of an action at the target, which is well to begin with."""
    body = {"connector": "http", "name": "target", "settings": {"base_url": target.url}}
    _, made = await stand.call("POST", "/integrations", json=body)
    action = f"/integrations/{made['id']}/actions/request"
    for number in range(WARM):
        await _call(stand, action, f"warm-{number}")
    target.seen.clear()
    return action


async def _load(stand: Stand, action: str, seconds: float) -> Counter[int]:
    """Requests at a steady rate; what the target's answer was, or the status of a refusal."""
    answers: Counter[int] = Counter()
    began = time.monotonic()

    async def ask(number: int) -> None:
        answers[await _call(stand, action, f"call-{number}")] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * RATE)):
            group.create_task(ask(number))
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
    return answers


async def _call(stand: Stand, action: str, key: str) -> int:
    body = {"input": {"method": "POST", "path": "/", "body": {}}}
    status, answer = await stand.call("POST", action, json=body, headers={"Idempotency-Key": key})
    return int(answer["output"]["status"]) if status == 200 else status


def _judge(target: Target, answers: Counter[int]) -> dict[str, Any]:
    """Calls by the ledger of the target, a hundred milliseconds at a time."""
    asked, calls = sum(answers.values()), target.calls()
    tries = Counter(call.headers["idempotency-key"] for call in calls)
    buckets = Counter(int((call.at - calls[0].at) / BUCKET) for call in calls)
    mean = len(calls) / (max(buckets) + 1)
    # The calls before the storm have earned their tenth too.
    amplified, wave = (WARM + len(calls)) / (WARM + asked), max(buckets.values()) / mean
    faults = [f"{len(calls)} calls for {asked} requests"] if amplified > AMPLIFIED else []
    faults += [f"{wave:.1f} times the mean of {mean:.1f} calls in 100 ms"] if wave > WAVE else []
    unexpected = {status: count for status, count in answers.items() if status != 503}
    faults += [f"requests ended with {unexpected}"] if unexpected else []
    return {
        "requests": asked,
        "calls": len(calls),
        "amplified": round(amplified, 3),
        "largest_bucket_by_mean": round(wave, 2),
        "most_tries_of_one": max(tries.values()),
        "faults": faults,
    }
