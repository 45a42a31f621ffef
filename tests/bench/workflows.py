"""`python -m tests.bench.workflows [--seconds N]`: three-step runs by `?wait=30` through the gateway, and their limit.

The limit is bare asyncpg that commits what a run of three steps must at least leave behind, each step by itself. Peers
are measured in their own environments under `.floyo/bench`; where one cannot be installed, its ratio is null.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
import uuid
from typing import Any

import aiohttp
import asyncpg

from tests.bench import machine, spending, workflow_stands
from tests.chaos.stand import Stand, open_stand

CONCURRENT = 20
# 60 ms where the bare limit took 16.9: what a commit takes differs more between machines than arithmetic does.
LATE = 3.55
# Ours over theirs at least; Node-RED stores nothing and Celery's broker forgets, so they stand beside without a target.
PEERS = {"dbos": 5.0, "celery": None, "node-red": None, "n8n": 7.0}
_TABLE = "CREATE TABLE IF NOT EXISTS bench_step (run uuid, step int, output json, PRIMARY KEY (run, step))"


async def save(stand: Stand) -> str:
    """transform, http to the sink, transform."""
    url = f"http://127.0.0.1:{stand.sink_port}/effect/{{{{ run.id }}}}/call"
    steps = [
        {"id": "before", "type": "transform", "with": {"output": {"n": "{{ input.n }}"}}},
        {"id": "call", "type": "http", "with": {"method": "POST", "url": url, "body": "{{ steps.before.output }}"}},
        {"id": "after", "type": "transform", "with": {"output": "{{ steps.call.output.status }}"}},
    ]
    body = {"name": "Three steps", "trigger": {"type": "manual"}, "steps": steps}
    status, saved = await stand.call("POST", "/workflows", json=body)
    if status != 201:
        raise RuntimeError(f"the workflow was refused: {status} {saved}")
    return str(saved["id"])


async def drive(stand: Stand, workflow: str, seconds: float) -> dict[str, Any]:
    """Runs through the gateway, each awaited."""
    path = f"/api/v1/workflows/{workflow}/runs?wait=30"
    headers = {"Authorization": f"Bearer {stand.user['api_key']}"}
    return await workflow_stands.drive(stand.port, path, seconds, {"input": {"n": 1}}, headers)


async def limit(stand: Stand, seconds: float) -> tuple[float, float]:
    """Runs a second and p99 ms of bare asyncpg: the run, then each of three steps, a commit each."""
    pool = await asyncpg.create_pool(await asyncio.to_thread(stand.dsn, "workflows"), min_size=8, max_size=8)
    await pool.execute(_TABLE)
    until = time.perf_counter() + seconds
    took: list[float] = []

    async def client() -> None:
        while (began := time.perf_counter()) < until:
            run = uuid.uuid4()
            for step in range(4):
                await pool.execute("INSERT INTO bench_step VALUES ($1, $2, $3)", run, step, '{"n": 1}')
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(client() for _ in range(CONCURRENT)))
    await pool.close()
    return round(len(took) / seconds, 1), round(sorted(took)[int(len(took) * 0.99)] * 1_000, 2)


async def measure(seconds: float) -> dict[str, Any]:
    """Every way, one after the other, in one run."""
    async with open_stand(scale={"workflows-worker": 1}, sink_seconds=0.0) as stand:
        workflow = await save(stand)
        await drive(stand, workflow, 2)
        before = spending.of_stack(stand)
        figures = await drive(stand, workflow, seconds)
        figures["cpu_seconds_a_thousand"] = spending.a_thousand(before, spending.of_stack(stand), figures["runs"])
        figures["limit_runs_per_second"], figures["limit_p99_ms"] = await limit(stand, min(seconds, 5.0))
        figures["peers"] = {name: await measure_peer(name, stand, min(seconds, 8.0)) for name in PEERS}
    return figures


async def measure_peer(name: str, stand: Stand, seconds: float) -> dict[str, Any]:
    """A peer's figures, or {missing: why}."""
    problem = await asyncio.to_thread(workflow_stands.install, name)
    if problem is None:
        try:
            return await workflow_stands.measure(name, stand, seconds)
        except (OSError, TimeoutError, aiohttp.ClientError, subprocess.SubprocessError) as error:
            problem = f"{type(error).__name__}: {error}"[:300]
    print(f"{name}: {problem}; its ratio is null", flush=True)
    return {"missing": problem}


def main(arguments: list[str]) -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.workflows", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args(arguments).seconds
    here = machine.measure()
    figures = asyncio.run(measure(seconds))
    targets = [compare(name, figures) for name, target in PEERS.items() if target is not None]
    ratio = round(figures["runs_per_second"] / figures["limit_runs_per_second"], 3)
    late = round(figures["p99_ms"] / figures["limit_p99_ms"], 2)
    targets += [
        {"name": "floyo / bare limit", "value": ratio, "target": 0.4, "ok": ratio >= 0.4},
        {"name": "p99 at 20 concurrent / that of the bare limit", "value": late, "target": LATE, "ok": late <= LATE},
    ]
    ok = all(target["ok"] for target in targets) and not figures["failures"]
    print(json.dumps({"bench": "workflows", "ok": ok, "targets": targets, **here.figures(), **figures}))
    return 0 if ok else 1


def compare(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Our runs a second over a peer's; null, and not ok, when the peer could not be measured."""
    peer, target = figures["peers"][name], PEERS[name]
    if target is None or "missing" in peer or peer["failures"] or not peer["runs_per_second"]:
        return {"name": f"floyo / {name}", "value": None, "target": target, "ok": False}
    ratio = round(figures["runs_per_second"] / peer["runs_per_second"], 2)
    return {"name": f"floyo / {name}", "value": ratio, "target": target, "ok": ratio >= target}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
