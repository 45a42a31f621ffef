"""The half of A22 that concerns credentials: their keys rotate under load, killed halfway, and all of them open."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from typing import Any
from uuid import UUID

import psutil

from infra.local import rotation
from infra.local.home import ROOT, Home
from services.integrations.domain import credentials
from shared.crypto import KeyRing
from tests.chaos import target as targets
from tests.chaos.stand import Stand, open_stand
from tests.chaos.target import Target

RATE = 100
INTEGRATIONS = 60
ROWS = 20_000
COUNT = "SELECT count(*) FROM webhook WHERE key_id = $1"
KEYS = """
    SELECT key_id, count(*) FROM (SELECT key_id FROM webhook UNION ALL SELECT key_id FROM integration) sealed GROUP BY 1
"""
INSERT = """
    INSERT INTO webhook (id, organization_id, url, types, active, key_id, sealed)
    SELECT id, $1, 'https://example.com', '{}', false, $2, sealed
    FROM unnest($3::uuid[], $4::bytea[]) AS made (id, sealed)
"""
ROTATE = [sys.executable, "-m", "infra.local.rotation", "--only", "credentials"]


async def rotate(*, kill: bool, **variables: str) -> dict[str, Any]:
    """Rotations under a hundred actions a second, each of which opens a credential; {figures…, faults}."""
    wrong: Counter[str] = Counter()
    figures: dict[str, Any] = {}
    faults: list[str] = []
    async with targets.listening() as target:
        allowed = f"127.0.0.1:{target.port}"
        scale = {"integrations": 2}
        async with open_stand(scale=scale, sink_seconds=0, FLOYO_EGRESS_ALLOW=allowed, **variables) as stand:
            tokens = await _connect(stand, target)
            if kill:  # before there is load: sealing so many rows here would hold it up, and let it go all at once
                await asyncio.to_thread(stand.command, "infra.local", "scale", "integrations-worker=0", "--json")
                await _fill(stand, Home(stand.home))
            stopping = asyncio.Event()
            load = asyncio.create_task(_load(stand, tokens, wrong, stopping))
            if kill:
                killed, faults = await _kill_halfway(stand)
                figures |= killed
            status, told = await _run(stand, [*ROTATE, "--drop-old"])
            stopping.set()
            figures["actions"] = await load
            after: Counter[str] = Counter()
            await asyncio.gather(*(_act(stand, *pair, after) for pair in tokens.items()))
            held = {row["key_id"]: row["count"] for row in await stand.rows("integrations", KEYS)}
    wrong += after
    faults += [f"{count} actions under rotation: {what}" for what, count in wrong.items() if what != "200"]
    faults += [f"keys:rotate ended with {status}: {told[-200:]}"] if status else []
    faults += [f"after all, rows are sealed with {held}"] if len(held) != 1 else []
    return {**figures, "rows_by_key": held, "faults": faults}


async def _connect(stand: Stand, target: Target) -> dict[str, str]:
    """Integrations, each with a token of its own, by the path of their action."""
    tokens: dict[str, str] = {}
    for number in range(INTEGRATIONS):
        settings = {"base_url": target.url, "auth": "bearer"}
        body = {"connector": "http", "name": f"i{number}", "settings": settings, "secrets": {"token": f"t{number}"}}
        status, made = await stand.call("POST", "/integrations", json=body)
        if status != 201:
            raise RuntimeError(f"an integration was refused: {status} {made}")
        tokens[f"/integrations/{made['id']}/actions/request"] = f"t{number}"
    return tokens


async def _load(stand: Stand, tokens: dict[str, str], wrong: Counter[str], stopping: asyncio.Event) -> int:
    """Actions at a steady rate; answers how many."""
    paths, sent, began = list(tokens.items()), 0, time.monotonic()
    async with asyncio.TaskGroup() as group:
        while not stopping.is_set():
            group.create_task(_act(stand, *paths[sent % len(paths)], wrong))
            sent += 1
            await asyncio.sleep(max(0.0, began + sent / RATE - time.monotonic()))
    return sent


async def _act(stand: Stand, path: str, token: str, wrong: Counter[str]) -> None:
    """One action, which must bring the very token of its integration to the target."""
    status, body = await stand.call("POST", path, json={"input": {}})
    if status == 200:
        met = body["output"]["body"]["authorized"] == f"Bearer {token}"
        wrong["200" if met else "another credential"] += 1
    else:
        wrong[f"{status} {body.get('type', '') if isinstance(body, dict) else body}"] += 1


async def _kill_halfway(stand: Stand) -> tuple[dict[str, Any], list[str]]:
    """Kill the rewrapping of many rows in the middle; run again, it goes on where it was."""
    home = Home(stand.home)
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *ROTATE, cwd=ROOT, env=_environment(stand), stdout=silent, stderr=silent
    )
    done = 0
    while process.returncode is None and not done:
        await asyncio.sleep(0.02)
        done = int((await stand.rows("integrations", COUNT, "k2"))[0][0])
    for child in psutil.Process(process.pid).children() if process.returncode is None else []:
        with contextlib.suppress(psutil.Error):
            child.kill()
    failed = await process.wait()
    done = int((await stand.rows("integrations", COUNT, "k2"))[0][0])
    job = [sys.executable, "-m", "services.integrations.jobs.rotation"]
    _, told = await _run(stand, job, **rotation.variables(home))
    progress = json.loads(told.strip().splitlines()[-1])
    faults = [] if failed and 0 < done < ROWS else [f"the rewrapping was not killed halfway: {done} of {ROWS} rows"]
    if progress["left"] or not progress["rewrapped"] <= ROWS + INTEGRATIONS - done:
        faults.append(f"it did not resume: {progress} after {done}")
    await asyncio.to_thread(stand.command, "infra.local", "scale", "integrations-worker=1", "--json")
    return {"rows": ROWS, "killed_after": done, "resumed_with": progress["rewrapped"]}, faults


async def _fill(stand: Stand, home: Home) -> None:
    """Many sealed rows, as the service would make them."""
    ring = KeyRing(dict(rotation.read(home)))
    owner = UUID(stand.user["organization_id"])
    made = [UUID(int=number + 1) for number in range(ROWS)]
    sealed = [credentials.seal(ring, owner, row, {"current": "x"})[1] for row in made]
    await stand.rows("integrations", INSERT, owner, ring.newest, made, sealed)


async def _run(stand: Stand, command: list[str], **variables: str) -> tuple[int, str]:
    result = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env={**_environment(stand), **variables}, capture_output=True, text=True
    )
    return result.returncode, result.stdout or result.stderr


def _environment(stand: Stand) -> dict[str, str]:
    own = {"FLOYO_HOME": str(stand.home), "FLOYO_PORT": str(stand.port)}
    return {**os.environ, **stand.variables, **own}
