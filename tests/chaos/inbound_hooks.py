"""A18, inbound-hooks: deliveries that come twice, while PostgreSQL is killed, each make one run and no more."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from typing import Any

import aiohttp

from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

SECRET = "a secret of the sender"
DUPLICATES = 0.2
RUNS = "SELECT event->>'external_id' AS delivery, count(*) AS runs FROM run GROUP BY 1"


async def run(options: Options) -> dict[str, Any]:
    """Ten thousand deliveries, a fifth of them repeated, five kills."""
    deliveries, kills = (1_000, 2) if options.short else (10_000, 5)
    return await _scenario(options, deliveries=deliveries, kills=kills, patience=300.0)


async def control(options: Options) -> dict[str, Any]:
    """With the ids of deliveries unchecked the same must fail."""
    return await _scenario(options, deliveries=200, kills=0, patience=30.0, FLOYO_FAULTS="hook-ids-unchecked")


async def _scenario(
    options: Options, *, deliveries: int, kills: int, patience: float, **variables: str
) -> dict[str, Any]:
    sent = [f"delivery-{number}" for number in range(int(deliveries * (1 - DUPLICATES)))]
    sent += options.random.choices(sent, k=deliveries - len(sent))
    options.random.shuffle(sent)
    answers: Counter[int] = Counter()
    async with open_stand(scale={"integrations": 1}, sink_seconds=0, **variables) as stand:
        hook = await _listen(stand)
        began = time.monotonic()
        sending = asyncio.create_task(_send(stand, hook, sent, answers))
        for turn in range(kills):
            await _until(sending, answers, len(sent) * (turn + options.random.uniform(0.2, 0.8)) / kills)
            (server,) = await asyncio.to_thread(stand.processes, "postgres")
            kill(server["pid"])
        await sending
        received = time.monotonic() - began
        runs = await _settle(stand, hook, set(sent), time.monotonic() + patience)
    missing = [delivery for delivery in set(sent) if not runs.get(delivery)]
    twice = [delivery for delivery, count in runs.items() if count > 1]
    faults = [f"{len(missing)} deliveries made no run, such as {missing[0]}"] if missing else []
    faults += [f"{len(twice)} deliveries made more than one run, such as {twice[0]}"] if twice else []
    return {
        "deliveries": len(sent),
        "distinct": len(set(sent)),
        "kills": kills,
        "answers": {str(status): count for status, count in sorted(answers.items())},
        "receive_seconds": round(received, 1),
        "runs": sum(runs.values()),
        "faults": faults,
    }


async def _until(sending: "asyncio.Task[None]", answers: Counter[int], count: float) -> None:
    """Wait until so many deliveries were taken."""
    while sum(answers.values()) < count:
        await asyncio.wait([sending], timeout=0.1)
        if sending.done():
            return


async def _listen(stand: Stand) -> str:
    """The id of a hook, and a workflow that its deliveries fire."""
    body = {"connector": "http", "name": "sender", "settings": {"base_url": "https://example.com"}}
    _, owner = await stand.call("POST", "/integrations", json=body)
    body = {"scheme": "github", "secret": SECRET}
    status, hook = await stand.call("POST", f"/integrations/{owner['id']}/hooks", json=body)
    if status != 201:
        raise RuntimeError(f"the hook was refused: {status} {hook}")
    step = {"id": "keep", "type": "transform", "with": {"output": "{{ event.external_id }}"}}
    workflow = {"name": "Deliveries", "trigger": {"type": "hook", "hook": hook["id"]}, "steps": [step]}
    status, saved = await stand.call("POST", "/workflows", json=workflow)
    if status != 201:
        raise RuntimeError(f"the workflow was refused: {status} {saved}")
    return str(hook["id"])


async def _send(stand: Stand, hook: str, deliveries: list[str], answers: Counter[int]) -> None:
    """As a sender does: a few at a time, each repeated until it is taken."""
    waiting = iter(deliveries)

    async def work() -> None:
        for delivery in waiting:
            await _deliver(stand, hook, delivery, answers)

    await asyncio.gather(*(work() for _ in range(12)))


async def _deliver(stand: Stand, hook: str, delivery: str, answers: Counter[int]) -> None:
    body = json.dumps({"action": "opened", "number": delivery}).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
    }
    for _ in range(200):
        try:
            status, told = await stand.call("POST", f"/hooks/{hook}", data=body, headers=headers)
        except aiohttp.ClientError:
            status, told = 0, ""
        if status == 200:
            answers[status] += 1
            return
        if 400 <= status < 500:
            raise RuntimeError(f"{delivery} was refused: {status} {told}")
        await asyncio.sleep(0.3)
    raise RuntimeError(f"{delivery} was never taken")


async def _settle(stand: Stand, hook: str, wanted: set[str], deadline: float) -> dict[str, int]:
    """Runs by delivery, once all have one and nothing is left to forward, or at the deadline."""
    prefix = f"{hook}:"
    while True:
        rows = await stand.rows("workflows", RUNS)
        runs = {row["delivery"].removeprefix(prefix).partition("#")[0]: 0 for row in rows}
        for row in rows:
            runs[row["delivery"].removeprefix(prefix).partition("#")[0]] += row["runs"]
        left = (await stand.rows("integrations", "SELECT count(*) FROM hook_delivery WHERE forwarded_at IS NULL"))[0][0]
        if (runs.keys() >= wanted and not left) or time.monotonic() > deadline:
            return runs
        await asyncio.sleep(1)
