"""`python -m tests.bench.ingest [--seconds N]`: posting events through the gateway, beside its limit and its twin.

The limit is a bare ASGI application behind a server of its own; the twin is the documented route without the quick way.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from infra.local import ports
from infra.local.home import ROOT
from tests.chaos.stand import open_stand

CONCURRENT = 64
BATCH = 1_000
_BARE = """
import uvicorn, sys
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off")
"""


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
            extra = f"Idempotency-Key: {time.time_ns()}-{number}\r\n" if "X-Plain" in self.headers else ""
            started = time.perf_counter()
            writer.write(f"{head}{extra}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
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
    async with open_stand(scale={"events": 1}, sink_seconds=0.0) as stand:
        instance = (await asyncio.to_thread(stand.processes, "events"))[0]
        key = {"Authorization": f"Bearer {stand.user['api_key']}"}
        figures: dict[str, Any] = {"bare": round(await _bare(seconds))}
        ways = {
            "direct": (instance["public_port"], key), "gateway": (stand.port, key),
            "twin": (stand.port, {**key, "X-Plain": "1"}),
        }  # fmt: skip
        for name, (port, headers) in ways.items():
            load = Load(port, "/api/v1/events", headers, [])
            await load.go(1, _event)
            figures[name] = round(await load.go(seconds, _event))
            figures |= {f"{name}_p99_ms": load.p99(), f"{name}_failures": load.failures}
        prepared = [_batch(0, count) for count in range(40)]
        load = Load(instance["public_port"], "/api/v1/events/batch", key, [])
        began = time.perf_counter()
        await _prepared(load, prepared)
        figures["batch_events"] = round(len(prepared) * BATCH / (time.perf_counter() - began))
        figures["stored"] = (await stand.rows("events", "SELECT count(*) AS number FROM event"))[0]["number"]
    return figures


async def _prepared(load: Load, bodies: list[bytes]) -> None:
    """Posts each body once, over four connections."""
    shares = [bodies[index::4] for index in range(4)]
    far = time.perf_counter() + 600
    await asyncio.gather(
        *(load.connection(0, far, lambda _, count, share=share: share[count], len(share)) for share in shares)
    )


async def _bare(seconds: float) -> float:
    port = ports.free()
    command = [sys.executable, "-c", _BARE, str(port)]
    process = await asyncio.to_thread(subprocess.Popen, command, cwd=ROOT)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            await asyncio.sleep(0.1)
        return await Load(port, "/", {}, []).go(seconds, _event)
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    figures = asyncio.run(measure(given.seconds))
    targets = [
        {"name": "gateway / bare server", "value": round(figures["gateway"] / figures["bare"], 3), "target": None},
        {"name": "quick / documented route", "value": round(figures["gateway"] / figures["twin"], 2), "target": 2.0},
    ]
    for target in targets:
        target["ok"] = target["target"] is None or target["value"] >= target["target"]
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "ingest", "ok": ok, "targets": targets, **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
