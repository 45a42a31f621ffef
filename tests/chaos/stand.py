"""A stack of one's own to break: its processes, a user, a sink for effects, and a look into its database."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from infra.local import client, ports
from infra.local.home import ROOT, Home


@dataclass
class Stand:
    """A running stack; only processes of this stack are ever signalled."""

    home: Path
    port: int
    sink_port: int
    variables: dict[str, str]
    user: dict[str, str] = field(default_factory=dict)
    http: aiohttp.ClientSession = field(init=False)
    databases: "dict[str, asyncpg.Connection[asyncpg.Record]]" = field(default_factory=dict)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def command(self, module: str, *arguments: str) -> dict[str, Any]:
        """Run one command of the local stack; answers its JSON, if it prints any."""
        environment = {**os.environ, **self.variables, "FLOYO_HOME": str(self.home), "FLOYO_PORT": str(self.port)}
        result = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(f"{module} {arguments}: {result.stdout}{result.stderr}")
        lines = result.stdout.strip().splitlines()
        return dict(json.loads(lines[-1])) if lines and lines[-1].startswith("{") else {}

    def processes(self, name: str) -> list[dict[str, Any]]:
        """What `status` says of the processes of one name, asked in this process so that kills hit soon."""
        return [process for process in self.all_processes() if process["name"] == name]

    def all_processes(self) -> list[dict[str, Any]]:
        """What `status` says of every process."""
        return list(client.ask(Home(self.home), {"command": "status"}, print)["status"]["processes"])

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """One API call; answers status and decoded body."""
        async with self.http.request(method, f"http://127.0.0.1:{self.port}/api/v1{path}", **options) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw[:1] in {b"{", b"["} else raw.decode()

    async def rows(self, service: str, query: str, *arguments: Any) -> list[Any]:
        """Look into a service's database."""
        if service not in self.databases:
            self.databases[service] = await asyncpg.connect(await asyncio.to_thread(self.dsn, service))
        async with self.looking:
            return list(await self.databases[service].fetch(query, *arguments))

    async def forget(self) -> None:
        """Close the connections to the databases, which may be about to end."""
        for connection in self.databases.values():
            await connection.close()
        self.databases.clear()

    def move(self) -> Path:
        """Go on in an empty home, once the stack is down; answers the home before, which is the caller's to remove."""
        before, self.home = self.home, _make_home()
        return before

    def dsn(self, service: str) -> str:
        """The superuser's address of a service's database."""
        password = (self.home / "secrets" / "postgres_password").read_text().strip()
        (server,) = self.processes("postgres")
        return f"postgresql://postgres:{password}@127.0.0.1:{server['internal_port']}/{service}"

    async def ledger(self) -> dict[str, dict[str, Any]]:
        """What the sink performed."""
        async with self.http.get(f"http://127.0.0.1:{self.sink_port}/ledger") as answer:
            return dict(await answer.json())


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Signal one process of a stack of ours; False when it is gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@contextlib.asynccontextmanager
async def open_stand(*, scale: dict[str, int], sink_seconds: float, **variables: str) -> AsyncIterator[Stand]:
    """Start a stack and a sink, make a user, and take everything down afterwards."""
    home = _make_home()
    sink_port = ports.free()
    allowed = ",".join(filter(None, [f"127.0.0.1:{sink_port}", variables.pop("FLOYO_EGRESS_ALLOW", "")]))
    given = {"FLOYO_ENVIRONMENT": "test", "FLOYO_EGRESS_ALLOW": allowed, **variables}
    stand = Stand(home, ports.free(), sink_port, given)
    sink = _start_sink(sink_port, sink_seconds)
    try:
        counts = ["--scale", *(f"{name}={count}" for name, count in scale.items())] if scale else []
        await asyncio.to_thread(stand.command, "infra.local", "up", "--json", *counts)
        stand.user = await asyncio.to_thread(
            stand.command, "infra.local.operator", "user", "create", "--email", "chaos@example.com",
            "--password", "a long chaotic password 7",
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {stand.user['api_key']}"}
        async with aiohttp.ClientSession(headers=headers) as stand.http:
            yield stand
            await stand.forget()
    finally:
        with contextlib.suppress(RuntimeError):
            await asyncio.to_thread(stand.command, "infra.local", "down")
        sink.kill()
        sink.wait()
        if not os.environ.get("FLOYO_CHAOS_KEEP"):
            shutil.rmtree(stand.home, ignore_errors=True)


def _make_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="floyo-chaos-"))
    home.chmod(0o711)
    return home


def _start_sink(port: int, seconds: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.chaos.sink", str(port), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
