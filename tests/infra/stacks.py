"""Stacks of the infrastructure tests' own, which they may kill, starve and restart."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import psutil

from infra.local import discovery, ports
from infra.local.home import ROOT, Home
from infra.local.postgres import Postgres

SERVICE = "integrations"
"""The one service that these stacks run, to start quickly."""


class OwnStack:
    """One stack with one service; nothing else uses it."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.port = ports.free()
        self.gateway = f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str, module: str = "infra.local") -> subprocess.CompletedProcess[str]:
        """One command on this home."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        names = {"FLOYO_HOME": str(self.home.folder), "FLOYO_PORT": str(self.port), "FLOYO_DRAIN_SECONDS": "0.3"}
        return {**os.environ, **names, "FLOYO_ENVIRONMENT": "test"}

    def up(self) -> subprocess.CompletedProcess[str]:
        """Start with nothing but the one service and its worker."""
        return self.run("up", "--json", "--scale", *smallest())

    def processes(self) -> dict[str, dict[str, Any]]:
        """Processes by instance."""
        result = self.run("status", "--json")
        return {process["instance"]: process for process in json.loads(result.stdout)["processes"]}

    def alive(self) -> list[psutil.Process]:
        """Every process of the machine that belongs to this home."""
        return [process for process in psutil.process_iter() if self._belongs(process)]

    def _belongs(self, process: psutil.Process) -> bool:
        home = str(self.home.folder)
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            named = any(home in part for part in process.cmdline())
            return named or process.environ().get("FLOYO_HOME") == home or process.environ().get("HOME") == home
        except psutil.Error:
            return False

    async def execute(self, statement: str, database: str = "postgres") -> list[asyncpg.Record]:
        """Rows of one statement, as the superuser."""
        port = self.processes()["postgres"]["internal_port"]
        server = Postgres(self.home.folder, port, (self.home.secrets / "postgres_password").read_text())
        connection = await asyncpg.connect(server.dsn(database))
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    def answer(self, path: str = "/api/v1/connectors") -> int:
        """Status of one request through the gateway: 401 from a service that is there, 503 without one."""
        return httpx2.get(self.gateway + path, timeout=5).status_code


@contextmanager
def own_stack(below: str = "") -> Iterator[OwnStack]:
    """A stack that is down in the end, whatever happened to it.

    It does not live in pytest's folder, which every other pytest of this user closes to the servers' user again.
    """
    with tempfile.TemporaryDirectory(prefix="floyo-") as folder:
        stack = OwnStack(Path(folder) / below)
        try:
            yield stack
        finally:
            stack.run("down")


def smallest() -> list[str]:
    """Arguments of `--scale` that leave one service and its worker."""
    kept = {SERVICE, SERVICE + discovery.WORKER}
    return [f"{name}={int(name in kept)}" for name in discovery.process_names()]


def wait_for(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Poll until something holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.05)
