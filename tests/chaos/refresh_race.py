"""A17, refresh-race: sessions cannot fork; a parent gets its child again, an older replay ends everything."""

import asyncio
import time
from typing import Any

from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand

HAS_SHORT = True
CONCURRENT = 50
# All refreshes come from one address, which is more than the limit of one address allows a minute.
LIMITS = '{"auth-address": 1000000}'
LOGIN = {"email": "chaos@example.com", "password": "a long chaotic password 7"}


async def run(options: Options) -> dict[str, Any]:
    """Fifty refreshes of one token at once, two hundred times."""
    return await _scenario(options, rounds=12 if options.short else 200)


async def control(options: Options) -> dict[str, Any]:
    """Without the row lock, and with children made by chance, sessions must fork."""
    return await _scenario(options, rounds=5, FLOYO_FAULTS="refresh-unlocked")


async def _scenario(options: Options, *, rounds: int, **variables: str) -> dict[str, Any]:
    faults: list[str] = []
    began = time.monotonic()
    async with open_stand(scale=options.scale(auth=2), sink_seconds=0, FLOYO_LIMITS=LIMITS, **variables) as stand:
        for number in range(rounds):
            faults += [f"round {number}: {fault}" for fault in await _round(stand)]
    forks = sum("fork" in fault for fault in faults)
    return {
        "rounds": rounds,
        "refreshes": rounds * CONCURRENT,
        "forks": forks,
        "seconds": round(time.monotonic() - began, 1),
        "faults": faults,
    }


async def _round(stand: Stand) -> list[str]:
    """What went wrong in the life of one session."""
    status, pair = await _patiently(stand, "/auth/login", LOGIN)
    if status != 200:
        return [f"login answered {status} {pair}"]
    first = pair["refresh_token"]
    answers = await asyncio.gather(*(_refresh(stand, first) for _ in range(CONCURRENT)))
    wrong = [f"refresh answered {status} {body}" for status, body in answers if status != 200]
    children = {body["refresh_token"] for status, body in answers if status == 200}
    if len(children) > 1:
        wrong.append(f"fork: {len(children)} children")
    if not children:
        return wrong
    status, grandchild = await _refresh(stand, children.pop())
    if status != 200:
        return [*wrong, f"the child answered {status} {grandchild}"]
    status, replay = await _refresh(stand, first)
    if (status, replay.get("type")) != (401, "urn:floyo:problem:token-reuse"):
        wrong.append(f"the grandparent's replay answered {status} {replay}")
    status, newest = await _refresh(stand, grandchild["refresh_token"])
    if status != 401:
        wrong.append(f"the newest token outlived the replay: {status} {newest}")
    return wrong


async def _refresh(stand: Stand, token: str) -> tuple[int, Any]:
    return await _patiently(stand, "/auth/refresh", {"refresh_token": token})


async def _patiently(stand: Stand, path: str, body: dict[str, str]) -> tuple[int, Any]:
    """One call, repeated while the service says that it is too busy."""
    for _ in range(40):
        status, answer = await stand.call("POST", path, json=body)
        if status != 503:
            break
        await asyncio.sleep(0.25)
    return status, answer
