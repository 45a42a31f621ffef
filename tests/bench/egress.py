"""What an action call costs the integrations service, in CPU, over a bare client; ends with one JSON line.

`python -m tests.bench.egress [--calls N]` starts a local stack of its own.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import aiohttp
import psutil

from infra.local import environment, secretfiles
from infra.local.home import ROOT, Home
from shared import ids
from shared.httpclient import Directory, Siblings
from shared.servicetokens import ServiceTokens
from tests.bench import machine
from tests.chaos.stand import Stand, open_stand

CONCURRENT = 8
ROUNDS = 3
LIMIT_MS = 1.0
KEY = {"Idempotency-Key": "bench"}


async def bare(url: str, calls: int) -> None:
    """The same requests by aiohttp alone, which the egress client is built on."""
    waiting = iter(range(calls))
    async with aiohttp.ClientSession() as client:

        async def work() -> None:
            for _ in waiting:
                async with client.post(url, json={}, headers=KEY) as answer:
                    await answer.read()

        await asyncio.gather(*(work() for _ in range(CONCURRENT)))


def bare_cpu(url: str, calls: int) -> float:
    """CPU milliseconds a call of a process that does nothing else."""
    code = (
        "import asyncio, sys, time; from tests.bench.egress import bare\n"
        "asyncio.run(bare(sys.argv[1], 50)); began = time.process_time()\n"
        "asyncio.run(bare(sys.argv[1], int(sys.argv[2]))); print(time.process_time() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, url, str(calls)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout) * 1000 / calls


async def action_cpu(siblings: Siblings, pid: int, body: dict[str, Any], calls: int) -> float:
    """CPU milliseconds that the integrations process spends on a call of an action, as workflows ask for it."""
    waiting, organization_id = iter(range(calls)), UUID(body["organization_id"])

    async def work() -> None:
        for _ in waiting:
            # Each run has a token of its own, as its subject is in it.
            answer = await siblings.call(
                "integrations", "POST", "/internal/actions",
                json=body, organization_id=organization_id, subject=f"run:{ids.new()}",
            )  # fmt: skip
            if answer["output"]["status"] != 200:
                raise RuntimeError(f"the target answered {answer}")

    before = _cpu(pid)
    await asyncio.gather(*(work() for _ in range(CONCURRENT)))
    return (_cpu(pid) - before) * 1000 / calls


async def idle_cpu(pid: int, seconds: float) -> float:
    """CPU milliseconds a second that the process spends on nothing."""
    before = _cpu(pid)
    await asyncio.sleep(seconds)
    return (_cpu(pid) - before) * 1000 / seconds


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def connect(home: Home) -> Siblings:
    """The client of the workflows service."""
    tokens = ServiceTokens(
        "workflows",
        secretfiles.obtain(home.secrets, "service_key_workflows"),
        environment.public_keys(home.secrets, ["workflows"]),
    )
    return Siblings(Directory({}, home.siblings), tokens)


async def measure(calls: int) -> dict[str, Any]:
    """Rounds of both ways in turn; the least of each, since others may be at work on the machine."""
    async with open_stand(scale={"integrations": 1}, sink_seconds=0) as stand:
        body = await _make(stand)
        (process,) = await asyncio.to_thread(stand.processes, "integrations")
        siblings = connect(Home(stand.home))
        url = f"http://127.0.0.1:{stand.sink_port}/effect/bench/one"
        await action_cpu(siblings, process["pid"], body, 100)
        idle = await idle_cpu(process["pid"], 2)
        ours, theirs, seconds = [], [], []
        for _ in range(ROUNDS):
            began = time.monotonic()
            ours.append(await action_cpu(siblings, process["pid"], body, calls))
            seconds.append(time.monotonic() - began)
            theirs.append(await asyncio.to_thread(bare_cpu, url, calls))
        await siblings.close()
    return {
        "action_ms": round(min(ours), 3),
        "bare_ms": round(min(theirs), 3),
        "over_bare_ms": round(min(ours) - min(theirs), 3),
        "over_bare_ms_median": round(statistics.median(ours) - statistics.median(theirs), 3),
        "idle_ms_a_second": round(idle, 1),
        "actions_a_second": round(calls / min(seconds)),
        "cpu_seconds_a_thousand": round(min(ours), 3),
    }


async def _make(stand: Stand) -> dict[str, Any]:
    settings = {"base_url": f"http://127.0.0.1:{stand.sink_port}", "auth": "bearer"}
    body = {"connector": "http", "name": "sink", "settings": settings, "secrets": {"token": "t"}}
    status, made = await stand.call("POST", "/integrations", json=body)
    if status != 201:
        raise RuntimeError(f"the integration was refused: {status} {made}")
    given = {"method": "POST", "path": "/effect/bench/one", "body": {}}
    return {
        "organization_id": stand.user["organization_id"],
        "integration": made["id"],
        "action": "request",
        "input": given,
        "idempotency_key": KEY["Idempotency-Key"],
        "dry_run": False,
        "timeout_seconds": 10,
    }


def main() -> int:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=600)
    os.environ.setdefault("FLOYO_ENVIRONMENT", "test")
    calls = parser.parse_args().calls
    here = machine.measure()
    figures = asyncio.run(measure(calls))
    target = here.target("CPU ms over bare", figures["over_bare_ms"], LIMIT_MS)
    print(json.dumps({"bench": "egress", "ok": target["ok"], "targets": [target], **here.figures(), **figures}))
    return 0 if target["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
