"""`python -m tests.bench.workflows [--seconds N]`: three-step runs by `?wait=30` through the gateway, and their limit.

The limit is bare asyncpg that commits what a run of three steps must at least leave behind, each step by itself. Peers
are measured only where their own environments stand under `.floyo/bench`; where they do not, their ratio is null.
"""

import argparse
import asyncio
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from infra.local.home import ROOT
from tests.chaos.stand import Stand, open_stand

CONCURRENT = 20
PEERS = {"n8n": 7.0, "dbos": 5.0, "node-red": None}
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
    """So many clients, each with the next run when its last has ended."""
    latencies: list[float] = []
    wrong: list[str] = []
    until = time.perf_counter() + seconds

    async def client(http: aiohttp.ClientSession) -> None:
        url = f"http://127.0.0.1:{stand.port}/api/v1/workflows/{workflow}/runs?wait=30"
        while time.perf_counter() < until:
            began = time.perf_counter()
            async with http.post(url, json={"input": {"n": 1}}) as answer:
                body = await answer.json(content_type=None)
                if answer.status != 200 or body["status"] != "succeeded":
                    wrong.append(f"{answer.status} {body}"[:300])
            latencies.append(time.perf_counter() - began)

    headers = {"Authorization": f"Bearer {stand.user['api_key']}"}
    connector = aiohttp.TCPConnector(limit=CONCURRENT)
    began = time.perf_counter()
    async with aiohttp.ClientSession(headers=headers, connector=connector) as http:
        await asyncio.gather(*(client(http) for _ in range(CONCURRENT)))
    elapsed = time.perf_counter() - began
    ordered = sorted(latencies)
    return {
        "runs_per_second": round(len(ordered) / elapsed, 1),
        "p50_ms": round(ordered[len(ordered) // 2] * 1_000, 1),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1_000, 1),
        "failures": len(wrong),
        "first_failure": wrong[0] if wrong else None,
    }


async def limit(stand: Stand, seconds: float) -> float:
    """Runs a second of bare asyncpg: the run, then each of three steps, a commit each."""
    pool = await asyncpg.create_pool(await asyncio.to_thread(stand.dsn, "workflows"), min_size=8, max_size=8)
    await pool.execute(_TABLE)
    until, done = time.perf_counter() + seconds, 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < until:
            run = uuid.uuid4()
            for step in range(4):
                await pool.execute("INSERT INTO bench_step VALUES ($1, $2, $3)", run, step, '{"n": 1}')
            done += 1

    await asyncio.gather(*(client() for _ in range(CONCURRENT)))
    await pool.close()
    return round(done / seconds, 1)


def processor_seconds(stand: Stand) -> float:
    """CPU time that every process of the stack has used."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if str(stand.home) in (path.parent / "environ").read_text(errors="replace"):
                fields = path.read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return ticks / 100


async def measure(seconds: float) -> dict[str, Any]:
    """Every way, one after the other, in one run."""
    async with open_stand(scale={"workflows-worker": 1}, sink_seconds=0.0) as stand:
        workflow = await save(stand)
        await drive(stand, workflow, 2)
        used = processor_seconds(stand)
        figures = await drive(stand, workflow, seconds)
        figures["cpu_seconds_per_1000"] = round(
            (processor_seconds(stand) - used) / (figures["runs_per_second"] * seconds) * 1_000, 2
        )
        figures["limit_runs_per_second"] = await limit(stand, min(seconds, 5.0))
    return figures


def main(arguments: list[str]) -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.workflows", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    figures = asyncio.run(measure(parser.parse_args(arguments).seconds))
    targets: list[dict[str, Any]] = [
        {"name": f"floyo / {peer}", "value": None, "target": target, "ok": False} for peer, target in PEERS.items()
    ]
    for peer in PEERS:
        state = "has no runner here" if (ROOT / ".floyo" / "bench" / peer).exists() else "is not installed"
        print(f"{peer} {state} (.floyo/bench/{peer}); its ratio is null", flush=True)
    ratio = round(figures["runs_per_second"] / figures["limit_runs_per_second"], 3)
    targets += [
        {"name": "floyo / bare limit", "value": ratio, "target": 0.4, "ok": ratio >= 0.4},
        {"name": "p99 ms at 20 concurrent", "value": figures["p99_ms"], "target": 60, "ok": figures["p99_ms"] <= 60},
    ]
    ok = all(target["ok"] for target in targets) and not figures["failures"]
    print(json.dumps({"bench": "workflows", "ok": ok, "targets": targets, **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
