"""Peers of the workflows bench on their feet: installed on demand under `.floyo/bench`, started, driven, stopped.

A peer that cannot be installed leaves a file `NAME.failed` beside its folder, with the reason; delete it to try again.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import asyncpg
import orjson

from infra.local import ports
from infra.local.home import ROOT
from tests.bench import workflow_peers
from tests.bench.posting import Load
from tests.chaos.stand import Stand

BENCH = ROOT / ".floyo" / "bench"
SCRIPT = Path(workflow_peers.__file__)
INSTALL_SECONDS, START_SECONDS = 900, 60
PIP = {
    "dbos": ("dbos", "fastapi", "uvicorn", "httpx", "psycopg[binary]"),
    "celery": ("celery", "redis", "requests", "packaging"),
}
# By `*` npm takes the newest that suits this machine's node. n8n asks for one package at an address of its own; the
# registry's stands in for it, and no step here uses it.
NPM: dict[str, dict[str, Any]] = {
    "node-red": {"dependencies": {"node-red": "*"}},
    "n8n": {"dependencies": {"n8n": "*"}, "overrides": {"xlsx": "npm:xlsx@0.18.5"}},
}
PATHS = {"n8n": "/webhook/run"}
CONCURRENT = 20


def install(name: str) -> str | None:
    """Make a peer's environment if it has none; answers why it cannot be made, None when it stands."""
    folder, failed = BENCH / name, BENCH / f"{name}.failed"
    if _program(name).exists():
        return None
    if failed.exists():
        return failed.read_text()
    folder.mkdir(parents=True, exist_ok=True)
    problem = _install(name, folder)
    if problem is not None:
        shutil.rmtree(folder, ignore_errors=True)
        failed.write_text(problem)
    return problem


def _program(name: str) -> Path:
    """What exists once a peer is installed."""
    return BENCH / name / ("installed" if name in PIP else f"node_modules/.bin/{name}")


def _install(name: str, folder: Path) -> str | None:
    if name in PIP:
        commands = [[sys.executable, "-m", "venv", str(folder)],
                    [str(folder / "bin" / "pip"), "install", "-q", *PIP[name]]]  # fmt: skip
    elif shutil.which("npm"):
        (folder / "package.json").write_bytes(orjson.dumps({"private": True, **NPM[name]}))
        commands = [["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)]]
    else:
        return "npm is not on this machine"
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            return f"its installation took longer than {INSTALL_SECONDS} s"
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "reason:" in line or "ERROR" in line]
            return (lines or done.stderr.splitlines() or ["its installation failed"])[0][:300]
    if name in PIP:
        (folder / "installed").touch()
    return None


async def measure(name: str, stand: Stand, seconds: float) -> dict[str, Any]:
    """Runs a second and latencies of one peer beside a stand's sink."""
    start = {"dbos": _start_dbos, "celery": _start_celery, "node-red": _start_node_red, "n8n": _start_n8n}[name]
    port, path = ports.free(), PATHS.get(name, "/run")
    command = await start(stand, port)
    async with _running(command, port, path, BENCH / f"{name}.log"):
        await drive(port, path, 2, {}, {})
        return await drive(port, path, seconds, {}, {})


async def _start_dbos(stand: Stand, port: int) -> list[str]:
    own = await _create_database(stand, "bench_dbos")
    return [str(BENCH / "dbos" / "bin" / "python"), str(SCRIPT), "dbos", str(port), _sink(stand), own]


async def _create_database(stand: Stand, name: str) -> str:
    dsn = await asyncio.to_thread(stand.dsn, "postgres")
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{dsn.rpartition('/')[0]}/{name}"


async def _start_celery(stand: Stand, port: int) -> list[str]:
    password = (stand.home / "secrets" / "redis_floyo").read_text().strip()
    (server,) = await asyncio.to_thread(stand.processes, "valkey")
    broker = f"redis://floyo:{quote(password, safe='')}@127.0.0.1:{server['internal_port']}/0"
    return [str(BENCH / "celery" / "bin" / "python"), str(SCRIPT), "celery", str(port), _sink(stand), broker]


async def _start_node_red(stand: Stand, port: int) -> list[str]:
    folder = stand.home / "node-red"
    workflow_peers.flow(folder, port, _sink(stand))
    return [str(_program("node-red")), "--userDir", str(folder), "--settings", str(folder / "settings.js")]


async def _start_n8n(stand: Stand, port: int) -> list[str]:
    """As it does best: one process with its executions in PostgreSQL."""
    own = urlsplit(await _create_database(stand, "bench_n8n"))
    folder, program = stand.home / "n8n", str(_program("n8n"))
    workflow = workflow_peers.n8n(folder, _sink(stand))
    settings = {
        "N8N_USER_FOLDER": folder, "N8N_LISTEN_ADDRESS": "127.0.0.1", "N8N_PORT": port, "N8N_LOG_LEVEL": "error",
        "N8N_DIAGNOSTICS_ENABLED": "false", "N8N_VERSION_NOTIFICATIONS_ENABLED": "false", "DB_TYPE": "postgresdb",
        "DB_POSTGRESDB_HOST": own.hostname, "DB_POSTGRESDB_PORT": own.port, "DB_POSTGRESDB_DATABASE": own.path[1:],
        "DB_POSTGRESDB_USER": own.username, "DB_POSTGRESDB_PASSWORD_FILE": stand.home / "secrets" / "postgres_password",
    }  # fmt: skip
    command = ["env", *(f"{name}={value}" for name, value in settings.items()), program]
    for prepare in (["import:workflow", f"--input={workflow}"], ["publish:workflow", "--id=bench"]):
        await asyncio.to_thread(subprocess.run, [*command, *prepare], check=True, capture_output=True, timeout=120)
    return [*command, "start"]


def _sink(stand: Stand) -> str:
    return f"http://127.0.0.1:{stand.sink_port}"


@contextlib.asynccontextmanager
async def _running(command: list[str], port: int, path: str, output: Path) -> AsyncIterator[None]:
    """A peer's processes, a group of their own, from their first answer to their end; what they say is kept."""
    process = await asyncio.to_thread(_open, command, output)
    try:
        if not await _is_answering(port, path, process):
            raise TimeoutError(f"it did not start: {_last_line(output)}")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(output: Path) -> str:
    said = output.read_text(errors="replace").strip().splitlines()
    return said[-1] if said else "it said nothing"


def _open(command: list[str], output: Path) -> "subprocess.Popen[bytes]":
    with output.open("wb") as kept:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=kept, stderr=subprocess.STDOUT, start_new_session=True
        )


async def _is_answering(port: int, path: str, process: "subprocess.Popen[bytes]") -> bool:
    """Servers listen before they are ready; a run that succeeds says that one is."""
    deadline = time.monotonic() + START_SECONDS
    async with aiohttp.ClientSession() as http:
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                timeout = aiohttp.ClientTimeout(total=10)
                async with http.post(f"http://127.0.0.1:{port}{path}", json={}, timeout=timeout) as answer:
                    if answer.status == 200:
                        return True
            await asyncio.sleep(0.2)
    return False


async def drive(port: int, path: str, seconds: float, body: Any, headers: dict[str, str]) -> dict[str, Any]:
    """So many clients, each with the next run when its last has ended."""
    load = Load(port, path, headers, _has_succeeded)
    raw = orjson.dumps(body)
    rate = await load.go(seconds, lambda _client, _count: raw, CONCURRENT)
    return {
        "runs": len(load.latencies),
        "runs_per_second": round(rate, 1),
        "p50_ms": load.percentile(0.5),
        "p99_ms": load.percentile(0.99),
        "failures": load.failures,
    }


def _has_succeeded(answer: bytes) -> bool:
    """What peers answer tells of no status."""
    return bool(orjson.loads(answer).get("status", "succeeded") == "succeeded")
