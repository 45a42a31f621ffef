"""`python -m tests.bench.ingest [--seconds N]`: posting events through the gateway, beside its limits and its peer.

The limit is a bare ASGI answer through the same gateway, for batches `unnest` alone; the peer is FastAPI with
SQLAlchemy, for batches with COPY. All of them take turns in one run, on one PostgreSQL.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from infra.local import ports
from infra.local.home import ROOT
from tests.bench import ingest_peers
from tests.chaos.stand import Stand, open_stand

CONCURRENT = 64
BATCH = 1_000
BATCHES = 40
SINGLE_SHARE, SINGLE_GAIN, PROMPT_MS, BATCH_GAIN, BATCH_SHARE = 0.6, 7.0, 15.0, 1.5, 0.75


@dataclass
class Load:
    """Kept-alive connections that post prepared requests as fast as they are answered."""

    port: int
    path: str
    headers: dict[str, str]
    latencies: list[float]
    failures: int = 0

    async def go(self, seconds: float, body: Any) -> float:
        """Requests a second."""
        self.latencies.clear()
        until = time.perf_counter() + seconds
        began = time.perf_counter()
        await asyncio.gather(*(self.connection(number, until, body) for number in range(CONCURRENT)))
        return len(self.latencies) / (time.perf_counter() - began)

    def p99(self) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return round(ordered[int(len(ordered) * 0.99)] * 1_000, 2) if ordered else 0.0

    async def connection(self, number: int, until: float, body: Any, most: int = 1 << 60) -> None:
        """Posts until a moment, or a number of times."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        count = 0
        while time.perf_counter() < until and count < most:
            raw = body(number, count)
            started = time.perf_counter()
            writer.write(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            self.failures += answer[9:12] not in {b"200", b"201"}
            self.latencies.append(time.perf_counter() - started)
            count += 1
        writer.close()


def _event(number: int, count: int) -> bytes:
    name = f"{number}-{count}-{time.time_ns()}"
    event = {"source": "bench", "type": "posted", "id": name, "actor": "ada", "data": {"n": count, "text": "x" * 60}}
    return json.dumps(event).encode()


def _batch(number: int, count: int) -> bytes:
    return b"[" + b",".join(_event(number, count * BATCH + index) for index in range(BATCH)) + b"]"


async def measure(seconds: float) -> dict[str, Any]:
    """Every way, one after the other, in one run."""
    async with open_stand(scale={"events": 1}, sink_seconds=0.0) as stand, contextlib.AsyncExitStack() as peers:
        instance = (await asyncio.to_thread(stand.processes, "events"))[0]
        dsn = await asyncio.to_thread(stand.dsn, "events")
        dsn = dsn.rpartition("/")[0] + "/postgres"
        await ingest_peers.prepare(dsn)
        ports_of = {"bare": ports.free(), "usual": ports.free()}
        for name, port in ports_of.items():
            peers.enter_context(_serving(name, port, dsn))
        await _route(stand, ports_of)
        key = {"Authorization": f"Bearer {stand.user['api_key']}"}
        ways = {"limit": ("/bench-bare/x", {}), "floyo": ("/api/v1/events", key), "peer": ("/bench-usual/events", {})}
        figures: dict[str, Any] = {}
        for name, (path, headers) in ways.items():
            load = Load(stand.port, path, headers, [])
            await load.go(1, _event)
            spent = _cpu(instance["pid"])
            figures[name] = round(await load.go(seconds, _event))
            figures |= {f"{name}_p99_ms": load.p99(), f"{name}_failures": load.failures}
            if name == "floyo":
                used = (_cpu(instance["pid"]) - spent) / max(len(load.latencies), 1)
                figures["cpu_seconds_a_thousand"] = round(1_000 * used, 3)
        figures |= await _batches(stand, key, dsn)
        figures["stored"] = (await stand.rows("events", "SELECT count(*) AS number FROM event"))[0]["number"]
    return figures


async def _batches(stand: Stand, key: dict[str, str], dsn: str) -> dict[str, Any]:
    """Events a second in batches of a thousand: ours and the peer's through the gateway, and the limit."""
    figures: dict[str, Any] = {}
    for name, path, headers in (("floyo", "/api/v1/events/batch", key), ("peer", "/bench-usual/batch", {})):
        prepared = [_batch(0, count) for count in range(BATCHES)]
        load = Load(stand.port, path, headers, [])
        began = time.perf_counter()
        await _prepared(load, prepared)
        figures[f"{name}_batch_events"] = round(BATCHES * BATCH / (time.perf_counter() - began))
        figures |= {f"{name}_batch_p99_ms": load.p99(), f"{name}_batch_failures": load.failures}
    figures["limit_batch_events"] = round(await ingest_peers.unnest(dsn, [_batch(1, n) for n in range(BATCHES)]))
    return figures


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _route(stand: Stand, ports_of: dict[str, int]) -> None:
    """The peers behind the stack's own gateway, as /bench-<name>."""
    routers = {
        f"bench-{name}": {
            "rule": f"PathPrefix(`/bench-{name}`)",
            "service": f"bench-{name}",
            "middlewares": [f"cut-{name}"],
        }
        for name in ports_of
    }
    services = {
        f"bench-{name}": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}
        for name, port in ports_of.items()
    }
    cuts = {f"cut-{name}": {"stripPrefix": {"prefixes": [f"/bench-{name}"]}} for name in ports_of}
    file = stand.home / "gateway" / "bench.yml"
    file.write_text(json.dumps({"http": {"routers": routers, "services": services, "middlewares": cuts}}))
    for name in ports_of:
        for _ in range(100):
            with contextlib.suppress(OSError, aiohttp.ClientError):
                async with stand.http.get(f"http://127.0.0.1:{stand.port}/bench-{name}/docs") as answer:
                    if answer.status in {200, 201}:
                        break
            await asyncio.sleep(0.1)
        else:
            raise RuntimeError(f"the gateway does not reach {name}")


async def _prepared(load: Load, bodies: list[bytes]) -> None:
    """Posts each body once, over four connections."""
    shares = [bodies[index::4] for index in range(4)]
    far = time.perf_counter() + 600
    await asyncio.gather(
        *(load.connection(0, far, lambda _, count, share=share: share[count], len(share)) for share in shares)
    )


@contextlib.contextmanager
def _serving(name: str, port: int, dsn: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.ingest_peers", name, str(port), dsn]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _targets(figures: dict[str, Any]) -> list[dict[str, Any]]:
    ratios = [
        ("singles / raw ASGI through the gateway", figures["floyo"] / figures["limit"], SINGLE_SHARE),
        ("singles / FastAPI + SQLAlchemy", figures["floyo"] / figures["peer"], SINGLE_GAIN),
        ("batches / FastAPI + COPY", figures["floyo_batch_events"] / figures["peer_batch_events"], BATCH_GAIN),
        ("batches / unnest alone", figures["floyo_batch_events"] / figures["limit_batch_events"], BATCH_SHARE),
    ]
    targets: list[dict[str, Any]] = [
        {"name": name, "value": round(value, 3), "target": target, "ok": value >= target}
        for name, value, target in ratios
    ]
    prompt = figures["floyo_p99_ms"]
    failures = sum(value for name, value in figures.items() if name.endswith("_failures"))
    return [
        *targets,
        {"name": "p99 ms of singles", "value": prompt, "target": PROMPT_MS, "ok": prompt <= PROMPT_MS},
        {"name": "failures", "value": failures, "target": 0, "ok": not failures},
    ]


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    figures = asyncio.run(measure(given.seconds))
    targets = _targets(figures)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "ingest", "ok": ok, "targets": targets, **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
