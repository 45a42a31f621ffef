"""The workflow that chaos runs, and starting it at a steady rate as an honest client does."""

import asyncio
import time

import aiohttp

from tests.chaos.stand import Stand

STEPS = ("one", "two")


async def save(stand: Stand) -> str:
    """Three steps: an effect, a wait of two seconds, another effect; a single attempt each."""
    url = f"http://127.0.0.1:{stand.sink_port}/effect/{{{{ run.id }}}}"
    call = {"type": "http", "retry": {"attempts": 1}}
    status, saved = await stand.call(
        "POST",
        "/workflows",
        json={
            "name": "Two effects",
            "trigger": {"type": "manual"},
            "steps": [
                {"id": "one", **call, "with": {"method": "POST", "url": f"{url}/one"}},
                {"id": "pause", "type": "delay", "with": {"for": "PT2S"}},
                {"id": "two", **call, "with": {"method": "POST", "url": f"{url}/two"}},
            ],
        },
    )
    if status != 201:
        raise RuntimeError(f"the workflow was refused: {status} {saved}")
    return str(saved["id"])


async def start(stand: Stand, workflow: str, runs: int, accepted: list[str], *, rate: float = 20.0) -> None:
    """So many a second; a call that fails is repeated with its key. Accepted ids are appended as they come."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for index in range(runs):
            await asyncio.sleep(max(0.0, began + index / rate - time.monotonic()))
            group.create_task(_start_one(stand, workflow, f"run-{index}", accepted))


async def _start_one(stand: Stand, workflow: str, key: str, accepted: list[str]) -> None:
    told = ""
    for _ in range(120):
        try:
            status, body = await stand.call(
                "POST", f"/workflows/{workflow}/runs", json={}, headers={"Idempotency-Key": key}
            )
        except aiohttp.ClientError as problem:
            status, body = 0, repr(problem)
        if status == 202:
            accepted.append(body["id"])
            return
        told = f"{status} {body}"
        await asyncio.sleep(0.5)
    raise RuntimeError(f"{key} was never accepted: {told}")


async def settle(stand: Stand, deadline: float) -> int:
    """Wait until every run has ended, or until the deadline; answers how many have not."""
    while True:
        left = int((await stand.rows("workflows", "SELECT count(*) FROM run WHERE finished_at IS NULL"))[0][0])
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.5)
