"""A7, global-limit: one limit over processes of different services, and no header makes somebody else of a caller."""

import asyncio
import json
import time
from collections import Counter
from typing import Any

from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand

LIMIT, CALLS, AT_ONCE = 100, 1_000, 16
LIMITS = {"FLOYO_LIMITS": json.dumps({"read-key": LIMIT, "read-address": LIMIT})}
# One route of each service; nobody else uses the key.
ROUTES = ("/api/v1/flags", "/api/v1/events", "/api/v1/workflows", "/api/v1/connectors")
OPEN = "/.well-known/jwks.json"
SPOOFED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip")


async def run(_options: Options) -> dict[str, Any]:
    """A thousand calls with one key over four services, then a thousand of one address that pretends to be many."""
    return await _scenario()


async def control(_options: Options) -> dict[str, Any]:
    """Counted in the memory of each process, more must be admitted."""
    return await _scenario(FLOYO_FAULTS="limits-in-memory")


async def _scenario(**variables: str) -> dict[str, Any]:
    async with open_stand(scale={"auth": 2}, sink_seconds=0, **LIMITS, **variables) as stand:
        mine, faults = await _storm(stand, "key", [ROUTES[number % len(ROUTES)] for number in range(CALLS)])
        address, more = await _storm(stand, "address", [OPEN] * CALLS, spoofing=True)
    return {"by_key": mine, "by_spoofed_address": address, "faults": faults + more}


async def _storm(
    stand: Stand, name: str, paths: list[str], *, spoofing: bool = False
) -> tuple[dict[str, Any], list[str]]:
    room = asyncio.Semaphore(AT_ONCE)
    began = time.monotonic()
    answers = await asyncio.gather(*(_call(stand, room, path, n, spoofing) for n, path in enumerate(paths)))
    seconds = round(time.monotonic() - began, 1)
    statuses = Counter(status for status, _ in answers)
    untold = sum(status == 429 and not told.isdigit() for status, told in answers)
    good = statuses == {200: LIMIT, 429: CALLS - LIMIT}
    faults = [] if good else [f"{name}: {dict(statuses)} instead of {LIMIT} admitted"]
    faults += [f"{name}: {untold} refusals without Retry-After"] if untold else []
    faults += [f"{name}: took {seconds} s, longer than the window"] if seconds > 50 else []
    return {"admitted": statuses[200], "refused": statuses[429], "seconds": seconds}, faults


async def _call(stand: Stand, room: asyncio.Semaphore, path: str, number: int, spoofing: bool) -> tuple[int, str]:
    address = f"203.0.{number // 250}.{number % 250}"
    headers = {name: f"for={address}" if name == "Forwarded" else address for name in SPOOFED} if spoofing else {}
    async with room:
        while True:
            async with stand.http.get(f"http://127.0.0.1:{stand.port}{path}", headers=headers) as answer:
                await answer.read()
                if answer.status != 503 or answer.content_type == "application/problem+json":
                    return answer.status, answer.headers.get("Retry-After", "")
            await asyncio.sleep(0.2)  # the gateway saw nobody to pass it on to, so nobody counted it
