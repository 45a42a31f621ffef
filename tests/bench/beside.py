"""Peers that stand behind a stack's own gateway while they are measured, in processes of their own."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import aiohttp

from infra.local import ports
from infra.local.home import ROOT
from tests.bench import ingest_peers
from tests.chaos.stand import Stand


@contextlib.asynccontextmanager
async def serving(stand: Stand, counts: Mapping[str, int]) -> AsyncIterator[dict[str, list[int]]]:
    """So many processes of each of `ingest_peers`, on the stack's PostgreSQL; their ports."""
    dsn = await database(stand)
    await ingest_peers.prepare(dsn)
    found = {name: [ports.free() for _ in range(count)] for name, count in counts.items()}
    with contextlib.ExitStack() as running:
        for name, numbers in found.items():
            for number in numbers:
                running.enter_context(_process(name, number, dsn))
        yield found


async def database(stand: Stand) -> str:
    """Where the peers store."""
    dsn = await asyncio.to_thread(stand.dsn, "events")
    return dsn.rpartition("/")[0] + "/postgres"


async def route(stand: Stand, servers: Mapping[str, Sequence[int]], probe: str = "/docs") -> None:
    """Servers behind the gateway, as /bench-<name>, instead of those before; returns once it reaches each.

    Each answers `probe` with 200 or 201.
    """
    routers = {
        f"bench-{name}": {
            "rule": f"PathPrefix(`/bench-{name}/`)",
            "service": f"bench-{name}",
            "middlewares": [f"cut-{name}"],
        }
        for name in servers
    }
    services = {
        f"bench-{name}": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"} for port in numbers]}}
        for name, numbers in servers.items()
    }
    cuts = {f"cut-{name}": {"stripPrefix": {"prefixes": [f"/bench-{name}"]}} for name in servers}
    file = stand.home / "gateway" / "bench.yml"
    file.write_text(json.dumps({"http": {"routers": routers, "services": services, "middlewares": cuts}}))
    for name, numbers in servers.items():
        reached = 0
        for _ in range(100):
            with contextlib.suppress(OSError, aiohttp.ClientError):
                async with stand.http.get(f"http://127.0.0.1:{stand.port}/bench-{name}{probe}") as answer:
                    reached = reached + 1 if answer.status in {200, 201} else 0
            if reached >= len(numbers):  # one after the other, as the gateway has them take turns
                break
            await asyncio.sleep(0 if reached else 0.1)
        else:
            raise RuntimeError(f"the gateway does not reach {name}")


@contextlib.contextmanager
def _process(name: str, port: int, dsn: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.ingest_peers", name, str(port), dsn]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
