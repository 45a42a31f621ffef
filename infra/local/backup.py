"""Backup and restore of a local stack: `python -m infra.local.backup write [FILE] | restore FILE | verify FILE`.

A backup is one tar file: a dump of each service's database and, unless told otherwise, the secrets without which sealed
credentials stay sealed. All dumps show the same moment to messages: while the snapshots are taken no outbox changes, so
that whatever an outbox calls delivered is in its reader's dump, and whatever it does not is delivered again. A manifest
holds digests and the rows of every table at that moment; a restore is held to both, and `verify` is one into thin air.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from infra.local import binaries, client, discovery, environment, ports, postgres, verification
from infra.local.home import Home, from_environment
from infra.local.postgres import Postgres
from infra.local.program import stop
from infra.local.secretfiles import write as write_secret
from shared import migrate

FORMAT = 2
LOCK_TIMEOUT = "5s"
NOT_RUNNING = 3
Manifest = dict[str, Any]


class Refused(Exception):
    """The backup cannot be written or restored, and the sentence says why and what helps."""


def write(home: Home, options: argparse.Namespace) -> int:
    """Dump a running stack; the path of the file is printed."""
    if not client.locked(home):
        raise Refused(f"Floyo is not running in {home.folder}, and a backup reads the running database: ./taskw up")
    name = time.strftime("floyo-%Y%m%dT%H%M%SZ.tar", time.gmtime())
    target = Path(options.file) if options.file else home.folder / "backups" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    server = _server(home, home.remembered_ports()["postgres"])
    with tempfile.TemporaryDirectory(prefix="floyo-backup-") as scratch:
        manifest = asyncio.run(_dump(server, Path(scratch)))
        if not options.without_keys:
            shutil.copytree(home.secrets, Path(scratch) / "secrets")
        _pack(Path(scratch), manifest, target)
    print(target)
    return 0


def restore(home: Home, options: argparse.Namespace) -> int:
    """Make the databases of a stopped stack from a backup; `./taskw up` starts them."""
    if client.locked(home):
        raise Refused(f"Floyo is running in {home.folder}. Stop it first: ./taskw down")
    with _unpacked(options.file) as (scratch, manifest):
        if (home.folder / "postgres" / "data").exists():
            _put_aside(home, replace=options.replace)
        _load(home, scratch, manifest)
    print(f"restored into {home.folder}; start it: ./taskw up")
    return 0


def verify(_home: Home, options: argparse.Namespace) -> int:
    """Restore a backup into a PostgreSQL of its own, compare, and leave nothing behind."""
    with _unpacked(options.file) as (scratch, manifest), tempfile.TemporaryDirectory(prefix="floyo-verify-") as folder:
        Path(folder).chmod(0o711)
        _load(Home(Path(folder)), scratch, manifest)
    rows = sum(sum(tables.values()) for tables in manifest["rows"].values())
    print(f"{options.file} restores: {len(manifest['rows'])} databases with {rows} rows")
    return 0


@contextmanager
def _unpacked(file: str) -> Iterator[tuple[Path, Manifest]]:
    """The files of a backup that are as they were written, and what it says of itself."""
    with tempfile.TemporaryDirectory(prefix="floyo-restore-") as folder, tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
        manifest = _read_manifest(Path(folder) / verification.MANIFEST)
        if manifest["format"] != FORMAT:
            raise Refused(f"the backup has format {manifest['format']}, and this version reads format {FORMAT}")
        damaged = verification.differing_files(Path(folder), manifest)
        if damaged:
            raise Refused(f"the backup is damaged; these are not as they were written: {', '.join(damaged)}")
        yield Path(folder), manifest


def _read_manifest(path: Path) -> Manifest:
    try:
        manifest: Manifest = json.loads(path.read_text())
    except (OSError, ValueError):
        raise Refused("this is no backup: it has no manifest that can be read") from None
    return manifest


async def _dump(server: Postgres, scratch: Path) -> Manifest:
    names = [name for name in discovery.owners() if discovery.migrations(name).is_dir()]
    async with _snapshots(server, names) as readers:
        dumps = [_run("pg_dump", server, name, "-Fc", "-f", str(scratch / f"{name}.dump"), f"--snapshot={snapshot}")
                 for name, (_, snapshot) in readers.items()]  # fmt: skip
        await asyncio.gather(*dumps)
        rows = {name: await verification.count_rows(reader) for name, (reader, _) in readers.items()}
    return {"format": FORMAT, "written_at": time.time(), "rows": rows}


@asynccontextmanager
async def _snapshots(server: Postgres, names: list[str]) -> AsyncIterator[dict[str, tuple[Any, str]]]:
    """A connection to each database and its snapshot, all taken while no message is added or delivered anywhere."""
    readers = {name: await asyncpg.connect(server.dsn(name)) for name in names}
    lockers = [await asyncpg.connect(server.dsn(name)) for name in names]
    try:
        for locker in lockers:
            await locker.execute(f"BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            if await locker.fetchval("SELECT to_regclass('public.outbox')"):
                await locker.execute("LOCK TABLE outbox IN EXCLUSIVE MODE")
        found = {}
        for name, reader in readers.items():
            await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            found[name] = reader, await reader.fetchval("SELECT pg_export_snapshot()")
        await asyncio.gather(*(locker.execute("ROLLBACK") for locker in lockers))
        yield found
    finally:
        await asyncio.gather(*(connection.close() for connection in (*lockers, *readers.values())))


async def _run(tool: str, server: Postgres, database: str, *arguments: str) -> None:
    address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", postgres.SUPERUSER, "-d", database]
    process = await asyncio.create_subprocess_exec(
        binaries.postgres(tool), *address, *arguments,
        env={"PATH": os.defpath, "PGPASSWORD": server.password}, stderr=subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    if process.returncode:
        raise Refused(f"{tool} of {database} failed: {said.decode(errors='replace').strip()}")


def _pack(scratch: Path, manifest: Manifest, target: Path) -> None:
    """One file that only its owner reads, complete or not there at all."""
    manifest["sha256"] = verification.digests(scratch)
    (scratch / verification.MANIFEST).write_text(json.dumps(manifest))
    draft = target.with_name(f".{target.name}.draft")
    write_secret(draft, "")
    with tarfile.open(draft, "w") as archive:
        for path in sorted(scratch.iterdir()):
            archive.add(path, path.name)
    draft.replace(target)


def _put_aside(home: Home, *, replace: bool) -> None:
    if not replace:
        raise Refused(
            f"{home.folder} has data already. Restore into another home (FLOYO_HOME=… ./taskw restore -- FILE), "
            "or pass --replace, which moves the present data and secrets aside."
        )
    aside = home.folder / time.strftime("replaced-%Y%m%dT%H%M%SZ", time.gmtime())
    aside.mkdir(mode=0o711)
    for name in ("postgres", "secrets"):
        shutil.move(home.folder / name, aside / name)
    print(f"the present data is now in {aside}", file=sys.stderr)


def _load(home: Home, scratch: Path, manifest: Manifest) -> None:
    """Secrets first, because the roles of the new cluster take their passwords from them."""
    home.make()
    for path in (scratch / "secrets").glob("*"):
        write_secret(home.secrets / path.name, path.read_text())
    server = postgres.prepare(home.folder / "postgres", ports.free(), home.secrets)
    with (home.logs / "postgres.log").open("ab") as log:
        process = postgres.run(server, log.fileno())
        try:
            asyncio.run(_fill(home, server, scratch, manifest["rows"]))
        finally:
            stop(process, server.program(), grace=30)


async def _fill(home: Home, server: Postgres, scratch: Path, rows: dict[str, verification.Counts]) -> None:
    passwords = environment.role_passwords(home.secrets, list(rows))
    await migrate.bootstrap(server.dsn(), passwords, {name: name for name in rows})
    for name, written in rows.items():
        await _run("pg_restore", server, name, "--single-transaction", "--exit-on-error", str(scratch / f"{name}.dump"))
        connection = await asyncpg.connect(server.dsn(name))
        lost = verification.differing_tables(await verification.count_rows(connection), written)
        await connection.close()
        if lost:
            raise Refused(f"the restore of {name} is incomplete; other rows than were written: {', '.join(lost)}")


def _server(home: Home, port: int) -> Postgres:
    return Postgres(home.folder / "postgres", port, (home.secrets / "postgres_password").read_text())


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.local.backup", description=(__doc__ or "").partition("\n")[0]
    )
    commands = parser.add_subparsers(required=True)
    writing = commands.add_parser("write", help=write.__doc__)
    writing.add_argument("file", nargs="?", help="where to ($FLOYO_HOME/backups/floyo-TIME.tar)")
    writing.add_argument("--without-keys", action="store_true", help="leave the secrets out, to keep them elsewhere")
    writing.set_defaults(run=write)
    restoring = commands.add_parser("restore", help=restore.__doc__)
    restoring.add_argument("file")
    restoring.add_argument("--replace", action="store_true", help="move the present data aside")
    restoring.set_defaults(run=restore)
    verifying = commands.add_parser("verify", help=verify.__doc__)
    verifying.add_argument("file")
    verifying.set_defaults(run=verify)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(from_environment(), options)
    except (Refused, postgres.Unusable, binaries.Missing, asyncpg.PostgresError, tarfile.TarError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
