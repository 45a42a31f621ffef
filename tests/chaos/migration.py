"""A21, migration: a revision comes in and goes out again under load, nobody notices, and nothing is left different."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra.local import database, schema
from infra.local.home import ROOT, Home
from infra.local.postgres import Postgres
from shared import migrate
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.traffic import Traffic

RATE = 100
SERVICE, TABLE, COLUMN = "events", "event", "type"
ROWS = 3_000
REVISION = '''"""A revision of a chaos test."""

from alembic import op

revision, down_revision, branch_labels, depends_on = "chaos", {head!r}, None, None


def upgrade() -> None:
{up}


def downgrade() -> None:
{down}
'''
# What a careful revision does: a column that costs nothing, and a constraint that is checked beside the traffic.
UP = (
    "ALTER TABLE {table} ADD COLUMN chaos text",
    "ALTER TABLE {table} ADD CONSTRAINT chaos CHECK (chaos IS NULL) NOT VALID",
    "ALTER TABLE {table} VALIDATE CONSTRAINT chaos",
)
DOWN = ("ALTER TABLE {table} DROP CONSTRAINT chaos", "ALTER TABLE {table} DROP COLUMN chaos")
# What a careless one does: it waits for locks as long as it takes, and writes the whole table anew, slowly.
CARELESS = (
    "SET lock_timeout = 0",
    "ALTER TABLE {table} ALTER COLUMN {column} TYPE text USING {column} || pg_sleep(0.002)::text",
)
TIMES = 5


async def run(_options: Options) -> dict[str, Any]:
    """In and out five times under load; then every service's own revisions up, down and up on an empty server."""
    async with open_stand(scale={SERVICE: 2}, sink_seconds=0) as stand:
        await _fill(stand)
        before = await asyncio.to_thread(_dump, stand)
        statuses: list[int] = []
        async with Traffic(stand, RATE) as traffic:
            await asyncio.sleep(2)
            for _ in range(TIMES):
                statuses += [await _migrate(stand, "upgrade", UP), await _migrate(stand, "downgrade", UP)]
                await asyncio.sleep(0.5)
            statuses.append(await _own(stand))
        after = await asyncio.to_thread(_dump, stand)
    differences = await asyncio.to_thread(_up_down_up)
    faults = _judge(traffic)
    faults += [f"a migration ended with {sorted(set(statuses))}"] if any(statuses) else []
    faults += schema.compare("the schema differs afterwards", before, after)
    return {
        **traffic.figures(),
        "migrations": len(statuses),
        "differences": differences,
        "faults": faults + differences,
    }


async def control(_options: Options) -> dict[str, Any]:
    """A careless revision must be felt."""
    async with open_stand(scale={SERVICE: 2}, sink_seconds=0) as stand:
        await _fill(stand)
        async with Traffic(stand, RATE) as traffic:
            await asyncio.sleep(2)
            await _migrate(stand, "upgrade", CARELESS)
            await asyncio.sleep(2)
    return {**traffic.figures(), "faults": _judge(traffic)}


def _judge(traffic: Traffic) -> list[str]:
    failed = [answer for answer in traffic.answers if answer.status >= 500 or not answer.status]
    return [f"{len(failed)} of {len(traffic.answers)} requests failed"] if failed else []


async def _fill(stand: Stand) -> None:
    """Rows, so that a rewrite takes its time."""
    for batch in range(ROWS // 1_000):
        events = [{"source": "chaos", "type": "filled", "id": f"f{batch}-{n}"} for n in range(1_000)]
        status, told = await stand.call("POST", "/events/batch", json=events)
        if status != 200 or told["accepted"] != 1_000:
            raise RuntimeError(f"events were refused: {status} {told}")


async def _migrate(stand: Stand, action: str, up: tuple[str, ...]) -> int:
    """One revision more than the code has, by the very tool that deployments use; its exit status."""
    text = REVISION.format(head=migrate.head(SERVICE), up=_statements(up), down=_statements(DOWN))
    with tempfile.TemporaryDirectory(prefix="floyo-revision-") as folder:
        await asyncio.to_thread(Path(folder, "chaos.py").write_text, text)
        url = await asyncio.to_thread(lambda: database.urls(Home(stand.home), "owner")[SERVICE])
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.migrating", action, SERVICE, folder,
            cwd=ROOT, env={**os.environ, "FLOYO_OWNER_DATABASE_URL": url},
        )  # fmt: skip
        return await process.wait()


def _statements(templates: tuple[str, ...]) -> str:
    return "\n".join(f"    op.execute({text.format(table=TABLE, column=COLUMN)!r})" for text in templates)


async def _own(stand: Stand) -> int:
    """The command of the local stack, which finds nothing left to do."""
    await asyncio.to_thread(stand.command, "infra.local.database", "upgrade")
    return 0


def _dump(stand: Stand) -> str:
    password = (stand.home / "secrets" / "postgres_password").read_text()
    (server,) = stand.processes("postgres")
    return schema.dump(Postgres(stand.home / "postgres", server["internal_port"], password), SERVICE)


def _up_down_up() -> list[str]:
    """Every service's own revisions on an empty server: all up, all down, all up."""
    with schema.scratch_server() as server:
        return [fault for service in migrate.services() for fault in schema.examine(server, service, write=False)]
