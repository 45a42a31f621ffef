"""A22, key-rotation: keys of access tokens and of credentials rotate under load, and nobody is turned away."""

import asyncio
import time
from collections import Counter, deque
from typing import Any

from tests.chaos import resealing
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand

LOGIN = {"email": "chaos@example.com", "password": "a long chaotic password 7"}
READ = ("/users/me", "/events", "/workflows", "/integrations")
RATE = 100
FRESH_TOKENS = 10


async def run(options: Options) -> dict[str, Any]:
    """Three rotations of tokens, each of which comes into force under load; two of credentials, one killed halfway."""
    tokens = await _scenario(options, rotations=1 if options.short else 3, pause=15.0)
    credentials = await resealing.rotate(kill=True)
    return {**tokens, "credentials": credentials, "faults": tokens["faults"] + credentials["faults"]}


async def control(options: Options) -> dict[str, Any]:
    """With the old key dropped first, people must be turned away, and credentials must stay shut."""
    tokens = await _scenario(options, rotations=1, pause=5.0, FLOYO_FAULTS="old-key-dropped")
    credentials = await resealing.rotate(kill=False, FLOYO_FAULTS="old-key-dropped")
    return {"faults": tokens["faults"][:1] + credentials["faults"][:1] if credentials["faults"] else []}


async def _scenario(options: Options, *, rotations: int, pause: float, **variables: str) -> dict[str, Any]:
    answers: Counter[int] = Counter()
    async with open_stand(scale={"auth": 2, "events": 2}, sink_seconds=0, **variables) as stand:
        status, pair = await stand.call("POST", "/auth/login", json=LOGIN)
        if status != 200:
            raise RuntimeError(f"login answered {status} {pair}")
        stopping = asyncio.Event()
        load = asyncio.create_task(_load(stand, pair, answers, options, stopping))
        kids = {(await _kid(stand))}
        for _ in range(rotations):
            await asyncio.sleep(2)
            await asyncio.to_thread(stand.command, "infra.local.operator", "rotate-tokens")
            await asyncio.sleep(pause)
            kids.add(await _kid(stand))
        stopping.set()
        await load
    faults = [f"{count} answers {status}" for status, count in sorted(answers.items()) if status in {401, 500}]
    if len(kids) != rotations + 1:
        faults.append(f"{rotations} rotations brought {len(kids) - 1} new keys into use")
    return {"rotations": rotations, "answers": {str(key): value for key, value in answers.items()}, "faults": faults}


async def _kid(stand: Stand) -> str:
    """The id of the key that signs now."""
    import jwt

    _, pair = await stand.call("POST", "/auth/login", json=LOGIN)
    return str(jwt.get_unverified_header(pair["access_token"])["kid"])


async def _load(
    stand: Stand, pair: dict[str, Any], answers: Counter[int], options: Options, stopping: asyncio.Event
) -> None:
    """A hundred reads a second over every service, with tokens of the last ten seconds, most new to whom they meet."""
    tokens = deque([pair["access_token"]], maxlen=10 * FRESH_TOKENS)

    async def read(path: str, token: str) -> None:
        status, _ = await stand.call("GET", path, headers={"Authorization": f"Bearer {token}"})
        answers[status] += 1

    async def renew() -> None:
        held = pair["refresh_token"]
        while not stopping.is_set():
            status, body = await stand.call("POST", "/auth/refresh", json={"refresh_token": held})
            answers[status] += 1
            if status == 200:
                held = body["refresh_token"]
                tokens.append(body["access_token"])
            await asyncio.sleep(1 / FRESH_TOKENS)

    async with asyncio.TaskGroup() as group:
        group.create_task(renew())
        began, sent = time.monotonic(), 0
        while not stopping.is_set():
            group.create_task(read(READ[sent % len(READ)], options.random.choice(tokens)))
            sent += 1
            await asyncio.sleep(max(0.0, began + sent / RATE - time.monotonic()))
