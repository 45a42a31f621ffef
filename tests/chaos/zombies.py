"""A4, zombies: a worker that slept past its leases wakes up, and nothing that it still writes counts."""

import asyncio
import signal
import time
from typing import Any

from tests.chaos import feeding, reconciling
from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

LEASES = 100
HELD = "SELECT count(*) FROM run WHERE status = 'running' AND lease_owner LIKE 'workflows-worker-1:%'"
STATE = "SELECT id, status, lease_token, finished_at FROM run ORDER BY id"
STEPS = "SELECT run_id, key, status, attempts, finished_at FROM run_step ORDER BY run_id, key"


async def run(options: Options) -> dict[str, Any]:
    """A hundred leases in one worker that is stopped while its calls are under way."""
    return await _scenario(options)


async def control(options: Options) -> dict[str, Any]:
    """With the token unchecked the same must fail."""
    return await _scenario(options, FLOYO_FAULTS="token-unchecked")


async def _scenario(_options: Options, **variables: str) -> dict[str, Any]:
    accepted: list[str] = []
    given = {"FLOYO_ORGANIZATION_SLOTS": str(LEASES), **variables}
    async with open_stand(scale={"workflows-worker": 1}, sink_seconds=4.0, **given) as stand:
        workflow = await _save(stand)
        starting = asyncio.create_task(feeding.start(stand, workflow, LEASES, accepted, rate=60.0))
        held = await _until_held(stand)
        await starting
        (zombie,) = await asyncio.to_thread(stand.processes, "workflows-worker")
        kill(zombie["pid"], signal.SIGSTOP)
        try:
            await asyncio.to_thread(stand.command, "infra.local", "scale", "workflows-worker=3", "--json")
            left = await feeding.settle(stand, time.monotonic() + 90)
            before = [tuple(row) for query in (STATE, STEPS) for row in await stand.rows("workflows", query)]
        finally:
            kill(zombie["pid"], signal.SIGCONT)
        await asyncio.sleep(8)
        after = [tuple(row) for query in (STATE, STEPS) for row in await stand.rows("workflows", query)]
        faults = await reconciling.reconcile(stand, accepted, ["one"], may_retry=True)
        refused = _refused(stand)
    changed = len(set(after) ^ set(before))
    faults += [f"{left} runs never ended"] if left else []
    faults += [f"{changed} rows changed after the zombie woke"] if changed else []
    faults += [f"only {refused} of {held} stale commits were refused"] if refused < held else []
    faults += [f"the worker held only {held} leases"] if held < LEASES else []
    return {"leases": held, "refused": refused, "rows_changed": changed, "faults": faults}


async def _save(stand: Stand) -> str:
    """One slow effect."""
    url = f"http://127.0.0.1:{stand.sink_port}/effect/{{{{ run.id }}}}/one"
    step = {"id": "one", "type": "http", "with": {"method": "POST", "url": url}}
    body = {"name": "Slow", "trigger": {"type": "manual"}, "steps": [step]}
    _, saved = await stand.call("POST", "/workflows", json=body)
    return str(saved["id"])


async def _until_held(stand: Stand) -> int:
    """Wait until the worker holds every lease; answers how many it holds."""
    held = 0
    for _ in range(60):
        held = int((await stand.rows("workflows", HELD))[0][0])
        if held >= LEASES:
            break
        await asyncio.sleep(0.1)
    return held


def _refused(stand: Stand) -> int:
    """How many of its runs the zombie found to be no longer its own."""
    log = (stand.home / "logs" / "workflows-worker-1.log").read_text()
    return log.count('"progress-refused-by-token"') + log.count('"lease-lost"')
