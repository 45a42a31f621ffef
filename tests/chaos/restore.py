"""A23, restore: what a backup of a busy stack holds is there after a restore, sealed things open, runs go on."""

import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos import feeding, reconciling
from tests.chaos import target as targets
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.target import Target

EVENTS, INTEGRATIONS, RUNS = 2_000, 20, 40
TABLES = {
    "auth": ("account", "organization", "api_key"),
    "events": ("event", "event_key"),
    "workflows": ("workflow", "run"),
    "integrations": ("integration",),
}


async def run(_options: Options) -> dict[str, Any]:
    """Backup while runs wait halfway, and everything into another home."""
    return await _scenario()


async def control(_options: Options) -> dict[str, Any]:
    """Without the keys, sealed credentials must stay sealed."""
    return await _scenario("--without-keys")


async def _scenario(*arguments: str) -> dict[str, Any]:
    async with targets.listening() as target:
        allowed = f"127.0.0.1:{target.port}"
        async with open_stand(scale={}, sink_seconds=0, FLOYO_EGRESS_ALLOW=allowed) as stand:
            tokens = await _connect(stand, target)
            await _ingest(stand)
            accepted: list[str] = []
            await feeding.start(stand, await feeding.save(stand), RUNS, accepted)
            counted = await _count(stand)
            await _move(stand, *arguments)
            faults = _compare(counted, await _count(stand))
            opened = await _act(stand, tokens)
            faults += [f"{count} actions: {what}" for what, count in opened.items() if what != "well"]
            left = await feeding.settle(stand, time.monotonic() + 60)
            faults += [f"{left} runs do not end"] if left else []
            faults += await reconciling.reconcile(stand, accepted, feeding.STEPS, may_retry=True)
    return {"counted": counted, "opened": dict(opened), "runs": len(accepted), "faults": faults}


async def _move(stand: Stand, *arguments: str) -> None:
    """Backup of the running stack, and its end; restore in an empty home, and its start."""
    folder = Path(tempfile.mkdtemp(prefix="floyo-backup-"))
    try:
        file = str(folder / "backup.tar")
        await asyncio.to_thread(stand.command, "infra.local.backup", "write", file, *arguments)
        await stand.forget()
        await asyncio.to_thread(stand.command, "infra.local", "down")
        shutil.rmtree(stand.move(), ignore_errors=True)
        await asyncio.to_thread(stand.command, "infra.local.backup", "restore", file)
        await asyncio.to_thread(stand.command, "infra.local", "up", "--json")
    finally:
        shutil.rmtree(folder)


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


async def _ingest(stand: Stand) -> None:
    for batch in range(EVENTS // 1_000):
        events = [{"source": "chaos", "type": "kept", "id": f"{batch}-{number}"} for number in range(1_000)]
        status, told = await stand.call("POST", "/events/batch", json=events)
        if status != 200 or told["accepted"] != 1_000:
            raise RuntimeError(f"events were refused: {status} {told}")


async def _count(stand: Stand) -> dict[str, int]:
    return {
        table: int((await stand.rows(service, f"SELECT count(*) FROM {table}"))[0][0])
        for service, tables in TABLES.items()
        for table in tables
    }


def _compare(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return [f"{table}: {count} rows, {after[table]} after the restore" for table, count in before.items()
            if count != after[table]]  # fmt: skip


async def _act(stand: Stand, tokens: dict[str, str]) -> Counter[str]:
    """Each integration's action, whose target tells which token came."""
    outcomes: Counter[str] = Counter()
    for path, token in tokens.items():
        status, body = await stand.call("POST", path, json={"input": {"path": "/"}})
        good = status == 200 and f"Bearer {token}" in json.dumps(body)
        outcomes["well" if good else f"{status} {json.dumps(body)[:120]}"] += 1
    return outcomes
