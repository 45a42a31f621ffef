"""A16, idempotency: one key is one effect and one answer, however many ask at once and whoever dies in between."""

import asyncio
from typing import Any

import aiohttp

from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

HAS_SHORT = True
AT_ONCE = 100


async def run(options: Options) -> dict[str, Any]:
    """Rounds of a hundred concurrent requests with one key; then an instance dies while they are answered."""
    return await _scenario(options, rounds=3 if options.short else 10, keys=True)


async def control(options: Options) -> dict[str, Any]:
    """Without keys the same requests must have an effect each."""
    return await _scenario(options, rounds=1, keys=False)


async def _scenario(options: Options, *, rounds: int, keys: bool) -> dict[str, Any]:
    faults: list[str] = []
    replayed = 0
    async with open_stand(scale=options.scale("auth", events=2), sink_seconds=0.0) as stand:
        for number in range(rounds):
            faults += await _at_once(stand, f"round-{number}", keys=keys)
        if keys:
            found, replayed = await _dying(stand, options)
            faults += found
    return {"rounds": rounds, "replayed_after_kill": replayed, "faults": faults}


async def _at_once(stand: Stand, name: str, *, keys: bool) -> list[str]:
    answers = await asyncio.gather(*(_post(stand, name, 1, keys=keys) for _ in range(AT_ONCE)))
    bodies = {answer[1] for answer in answers}
    rows = await stand.rows("events", "SELECT count(*) AS number FROM event WHERE type = $1", name)
    faults = [f"{name}: {rows[0]['number']} rows"] if rows[0]["number"] != 1 else []
    faults += [f"{name}: {len(bodies)} different answers"] if len(bodies) != 1 else []
    statuses = {answer[0] for answer in answers}
    faults += [f"{name}: statuses {sorted(statuses)}"] if statuses != {201} else []
    other = await _post(stand, name, 2, keys=keys)
    return faults + ([f"{name}: another body got {other[0]}"] if other[0] != 422 else [])


async def _dying(stand: Stand, options: Options) -> tuple[list[str], int]:
    """Requests under way when their instance is killed are repeated, and give what was committed."""
    names = [f"dying-{number}" for number in range(200)]
    posts = [asyncio.create_task(_post(stand, name, 1, keys=True)) for name in names]
    await asyncio.sleep(options.random.uniform(0.05, 0.3))
    victim = (await asyncio.to_thread(stand.processes, "events"))[0]
    kill(victim["pid"])
    first = await asyncio.gather(*posts)
    broken = [name for name, answer in zip(names, first, strict=True) if answer[0] != 201]
    for name in names:
        for _ in range(60):
            answer = await _post(stand, name, 1, keys=True)
            if answer[0] == 201:
                break
            await asyncio.sleep(0.25)
    rows = await stand.rows("events", "SELECT count(*) AS all, count(DISTINCT type) AS types FROM event "
                            "WHERE type LIKE 'dying-%'")  # fmt: skip
    good = rows[0]["all"] == rows[0]["types"] == len(names)
    return [] if good else [f"{rows[0]['all']} rows of {rows[0]['types']} requests"], len(broken)


async def _post(stand: Stand, name: str, number: int, *, keys: bool) -> tuple[int, bytes]:
    headers = {"Idempotency-Key": name} if keys else {}
    body = {"source": "chaos", "type": name, "data": {"number": number}}
    try:
        url = f"http://127.0.0.1:{stand.port}/api/v1/events"
        async with stand.http.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        return 0, b""
