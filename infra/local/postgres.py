"""A real PostgreSQL server from the binaries of the Python environment."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from infra.local import binaries, secretfiles
from infra.local.program import Program, as_user, start, stop, wait_until

CONFIGURATION = Path(__file__).resolve().parents[1] / "postgres" / "postgresql.conf"
SUPERUSER = "postgres"
_STATUS_LINE = 8


class Unusable(Exception):
    """The data directory cannot be started, and the sentence says what to do about it."""


@dataclass(frozen=True)
class Postgres:
    """Where a server keeps its data and on which port of 127.0.0.1 it listens."""

    folder: Path
    port: int
    password: str

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def dsn(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """A postgresql:// URL; the superuser's unless told otherwise."""
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    def program(self) -> Program:
        """How the server is started. SIGINT is its fast shutdown: sessions are cut, data is checkpointed."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        if sys.platform == "linux":  # one call after a crash instead of a walk over every file
            options.append("recovery_init_sync_method=syncfs")
        argv = [str(binaries.postgres("postgres")), "-D", str(self.data)]
        argv += [part for option in options for part in ("-c", option)]
        return Program(argv, user=binaries.unprivileged(), stop_signal=signal.SIGINT, orphan_signal=signal.SIGINT)

    def ready(self, pid: int) -> bool:
        """Whether the server with that pid takes connections, as it says itself in the last line of its pid file."""
        lines = _pid_file(self.data)
        return len(lines) == _STATUS_LINE and lines[0] == str(pid) and lines[-1].strip() == "ready"


def prepare(folder: Path, port: int, secrets_folder: Path, *, sync: bool = True) -> Postgres:
    """Make the data directory unless it exists, and put the present configuration in it."""
    server = Postgres(folder, port, secretfiles.obtain(secrets_folder, "postgres_password"))
    folder.mkdir(parents=True, exist_ok=True)
    open_path(folder)
    if not server.data.exists() or not any(server.data.iterdir()):
        _initialise(server, sync=sync)
    _examine(server.data)
    shutil.copyfile(CONFIGURATION, server.data / "postgresql.conf")
    (server.data / "postgresql.conf").chmod(0o644)
    _await_predecessor(server.data)
    return server


def open_path(folder: Path) -> list[Path]:
    """Let the unprivileged user reach `folder` and the binaries; answers the folders whose rights had to change."""
    if binaries.unprivileged() is None:
        return []
    return binaries.make_traversable(folder) + binaries.make_traversable(binaries.postgres("postgres").parent)


def run(server: Postgres, output: int) -> subprocess.Popen[bytes]:
    """Start the server and return once it takes connections."""
    process = start(server.program(), output)
    if not wait_until(lambda: server.ready(process.pid), process, 30):
        stop(process, server.program())
        raise Unusable(f"PostgreSQL did not start in {server.data}; its log says why")
    return process


def _initialise(server: Postgres, *, sync: bool) -> None:
    """Run initdb beside the final place and rename: a directory that bears the final name was finished."""
    user = binaries.unprivileged()
    draft = server.folder / "unfinished"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    binaries.own(draft, user)
    password = draft.with_suffix(".password")
    secretfiles.write(password, server.password)
    binaries.own(password, user)
    options = [
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--auth-host=scram-sha-256",
        "--auth-local=reject",
        f"--pwfile={password}",
        f"--username={SUPERUSER}",
    ]
    try:
        _initdb([*options, *([] if sync else ["--no-sync"])], draft, user)
    finally:
        password.unlink()
    if server.data.exists():
        server.data.rmdir()
    draft.rename(server.data)


def _initdb(options: list[str], data: Path, user: str | None) -> None:
    result = subprocess.run(
        [str(binaries.postgres("initdb")), f"--pgdata={data}", *options],
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **as_user(user),
    )
    if result.returncode:
        raise Unusable(f"initdb failed in {data}: {result.stderr.strip()}")


def _examine(data: Path) -> None:
    version = data / "PG_VERSION"
    if not version.exists() or not (data / "global" / "pg_control").exists():
        raise Unusable(
            f"{data} was a database once but its files are incomplete. Restore a backup of it, "
            f"or move it away (mv {data} {data}.broken) to begin with an empty one."
        )
    found = version.read_text().strip()
    if found != str(binaries.POSTGRES_MAJOR):
        raise Unusable(
            f"{data} belongs to PostgreSQL {found}, and this stack brings PostgreSQL {binaries.POSTGRES_MAJOR}. "
            f"Dump it with the old version and restore it here, or move it away to begin with an empty one."
        )


def _await_predecessor(data: Path, seconds: float = 10.0) -> None:
    """Wait until a server whose supervisor was killed has let go of the directory; then insist.

    What is left then is a stale pid file, which would stop PostgreSQL if some other process had got that pid.
    """
    deadline = time.monotonic() + seconds
    while (pid := _holder(data)) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline += 5
        time.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _holder(data: Path) -> int | None:
    """The pid of a living PostgreSQL in `data`, so that a stale pid file of a reused pid is not believed."""
    lines = _pid_file(data)
    if not lines or not lines[0].strip().isdigit():
        return None
    import psutil  # not at the top, for the fork server begins before this

    try:
        process = psutil.Process(int(lines[0]))
        return process.pid if str(data) in process.cmdline() else None
    except psutil.Error:
        return None


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []
