"""The generated schema of every service: migrations up, down and up again, no drift, and the committed dump current."""

import argparse
import asyncio
import difflib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from alembic.util import CommandError

from infra.local import binaries, ports, postgres
from infra.local.postgres import Postgres
from infra.local.program import stop
from shared import migrate

DUMPS = Path(__file__).resolve().parents[1] / "postgres" / "schema"
HEADER = (
    "-- Generated from the migrations by `./taskw schema:write`; compared in `./taskw check`. Never edit, never run.\n"
)
_VOLATILE = re.compile(r"^(--|\\(un)?restrict|SET |SELECT pg_catalog\.set_config)|^\s*$")


def main(arguments: list[str]) -> int:
    """The command line: compares, or writes with `--write`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.schema", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the dumps instead of comparing them")
    options = parser.parse_args(arguments)
    with scratch_server() as server:
        faults = [fault for service in migrate.services() for fault in examine(server, service, write=options.write)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


@contextmanager
def scratch_server() -> Iterator[Postgres]:
    """An empty PostgreSQL that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="floyo-schema-") as name, Path(os.devnull).open("wb") as nowhere:
        folder = Path(name)
        (folder / "secrets").mkdir(mode=0o700)
        server = postgres.prepare(folder / "postgres", ports.free(), folder / "secrets", sync=False)
        process = postgres.run(server, nowhere.fileno())
        try:
            yield server
        finally:
            stop(process, server.program())


def examine(server: Postgres, service: str, *, write: bool) -> list[str]:
    """Takes one service's migrations up, down and up; returns a sentence for each fault."""
    password = "scratch"  # noqa: S105  # of a server that lives for seconds on loopback  # pragma: allowlist secret
    passwords = {f"{service}_{kind}": password for kind in migrate.ROLE_KINDS}
    asyncio.run(migrate.bootstrap(server.dsn(), passwords, {service: service}))
    owner = server.dsn(service, f"{service}_owner", password)
    empty = dump(server, service)
    migrate.upgrade(service, owner)
    first = dump(server, service)
    try:
        migrate.check(service, owner)
    except CommandError as drift:
        return [f"{service}: tables.py and the migrations differ: {drift}"]
    migrate.downgrade(service, owner, "base")
    faults = compare(
        f"{service}: a full downgrade leaves things behind", empty, without_revision(dump(server, service))
    )
    migrate.upgrade(service, owner)
    faults += compare(f"{service}: up, down and up makes a difference", first, dump(server, service))
    return faults + keep(service, first, write=write)


def keep(service: str, found: str, *, write: bool) -> list[str]:
    """Writes the dump, or compares it with the committed one."""
    path = DUMPS / f"{service}.sql"
    if write:
        DUMPS.mkdir(exist_ok=True)
        path.write_text(HEADER + found)
        return []
    committed = path.read_text() if path.exists() else ""
    return compare(f"{path.name} is stale; run ./taskw schema:write", committed.removeprefix(HEADER), found)


def compare(sentence: str, expected: str, found: str) -> list[str]:
    """One fault with a difference, or none."""
    if expected == found:
        return []
    lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), "expected", "found", lineterm="", n=1)
    return [sentence + "\n" + "\n".join(list(lines)[:40])]


def dump(server: Postgres, database: str) -> str:
    """The schema as pg_dump gives it, without comments, settings and partitions, which come and go at run time."""
    excluded = [f"--exclude-table={name}" for name in asyncio.run(partitions(server, database))]
    result = subprocess.run(
        [str(binaries.postgres("pg_dump")), "--schema-only", "--no-owner", *excluded, server.dsn(database)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return "".join(f"{line}\n" for line in result.stdout.splitlines() if not _VOLATILE.match(line))


async def partitions(server: Postgres, database: str) -> list[str]:
    """The partitions of every table."""
    connection = await asyncpg.connect(server.dsn(database))
    try:
        rows = await connection.fetch("SELECT relname FROM pg_class WHERE relispartition")
    finally:
        await connection.close()
    return [row["relname"] for row in rows]


def without_revision(text: str) -> str:
    """What alembic itself leaves behind is not the migrations' to remove."""
    return re.sub(r"(CREATE TABLE public\.alembic_version|ALTER TABLE ONLY public\.alembic_version)[^;]*;\n", "", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
