"""Runs by months: made ahead, carried over by the migration, dropped when their time is over."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from infra.local.postgres import Postgres
from services.workflows.domain import retention
from shared import clock, ids, migrate
from shared.database import Database
from tests.fixtures import databases

pytestmark = pytest.mark.integration

RUN = """
    INSERT INTO run (id, organization_id, workflow_id, version, status, trigger, dry_run, depth, trace_id, created_at,
                     finished_at, due_at)
    VALUES ($1, $2, $3, 1, $4, '{"type": "manual"}', false, 0, 't', now(), $5, $6)
"""
ORGANIZATION = ids.new()


class Months:
    """A database of its own, whose months a test may drop."""

    def __init__(self, admin: "asyncpg.Connection[asyncpg.Record]", database: Database, urls: dict[str, str]) -> None:
        self.admin, self.database, self.urls = admin, database, urls

    async def run(self, at: datetime, *, ended: bool = True) -> UUID:
        """A run made at a moment, ended an hour later, with a step, an output aside and a start key."""
        tail = ids.new().hex[12:]
        run_id = UUID(f"{int(at.timestamp() * 1000):012x}{tail}")
        status, finished = ("succeeded", at + timedelta(hours=1)) if ended else ("waiting", None)
        due = None if ended else at + timedelta(days=400)
        await self.admin.execute(RUN, run_id, ORGANIZATION, ids.new(), status, finished, due)
        await self.admin.execute(
            "INSERT INTO run_step (run_id, key, organization_id, step_id, type, status, attempts, aside)"
            " VALUES ($1, 'a', $2, 'a', 'http', 'succeeded', 1, 300000)", run_id, ORGANIZATION)  # fmt: skip
        await self.admin.execute("INSERT INTO step_output VALUES ($1, 'a', $2, '\"x\"')", run_id, ORGANIZATION)
        await self.admin.execute("INSERT INTO run_start VALUES ($1, $2, $3)", ORGANIZATION, f"{run_id}:a", run_id)
        return run_id

    async def ids(self, table: str = "run", column: str = "id") -> set[UUID]:
        return {row[0] for row in await self.admin.fetch(f"SELECT {column} FROM {table}")}

    async def names(self) -> list[str]:
        return [row[0] for row in await self.admin.fetch("SELECT name FROM run_partition ORDER BY until")]


@pytest.fixture
def urls(postgres: Postgres, request: pytest.FixtureRequest) -> dict[str, str]:
    return databases.empty(postgres, "workflows", f"months_{abs(hash(request.node.name)) % 10**8}")


@pytest.fixture
async def months(urls: dict[str, str]) -> AsyncIterator[Months]:
    await asyncio.to_thread(migrate.upgrade, "workflows", urls["owner"])
    admin = await asyncpg.connect(urls["admin"])
    database = Database(urls["api"], urls["system"], pool_size=2)
    yield Months(admin, database, urls)
    await database.close()
    await admin.close()


def _month(ahead: int) -> datetime:
    """The middle of a month from now."""
    month = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(ahead):
        month = (month + timedelta(days=32)).replace(day=1)
    return month + timedelta(days=14)


def _stop(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


async def test_months_are_made_ahead_and_only_once(months: Months) -> None:
    for _ in range(2):
        await retention.make_ahead(months.database)
    assert await months.names() == ["run_first", *(f"run_{_month(ahead):%Y_%m}" for ahead in (1, 2, 3))]


async def test_a_month_whose_time_is_over_is_dropped(months: Months, monkeypatch: pytest.MonkeyPatch) -> None:
    old, older, young = await months.run(_month(1)), await months.run(_month(0)), await months.run(_month(2))
    names = [f"run_{_month(ahead):%Y_%m}" for ahead in (2, 3)]
    _stop(monkeypatch, _month(2) + timedelta(days=30))
    assert await retention.retain(months.database, days=30, most=100) == 2
    assert await months.ids() == {young}
    assert await months.ids("run_step", "run_id") == {young}
    assert await months.ids("step_output", "run_id") == {young}
    assert await months.ids("run_start", "run_id") == {young}
    assert await months.names() == names
    assert old != older


async def test_a_run_that_goes_on_keeps_its_month_but_not_its_neighbours(
    months: Months, monkeypatch: pytest.MonkeyPatch
) -> None:
    await months.run(_month(1))
    waiting = await months.run(_month(1), ended=False)
    later = _month(3) + timedelta(days=40)
    _stop(monkeypatch, _month(2) + timedelta(days=30))
    await retention.retain(months.database, days=30, most=100)
    assert await months.ids() == await months.ids("step_output", "run_id") == {waiting}
    await months.admin.execute("UPDATE run SET status = 'succeeded', finished_at = $1, due_at = NULL", clock.now())
    assert await retention.retain(months.database, days=30, most=100) == 0, "it has just ended"
    _stop(monkeypatch, later)
    await retention.retain(months.database, days=30, most=100)
    assert await months.ids() == set()
    assert await months.ids("run_start", "run_id") == set()


async def test_an_organisation_keeps_so_many_runs_and_every_one_that_goes_on(months: Months) -> None:
    now = clock.now() - timedelta(hours=5)
    made = [await months.run(now + timedelta(minutes=index), ended=index != 0) for index in range(10)]
    assert await retention.retain(months.database, days=30, most=4) == 5
    assert await months.ids() == {made[0], *made[-4:]}
    assert await months.ids("run_step", "run_id") == {made[0], *made[-4:]}


async def test_the_migration_carries_rows_there_and_back(months: Months, urls: dict[str, str]) -> None:
    run = await months.run(clock.now() - timedelta(days=40))
    await months.admin.execute("UPDATE run SET output_key = 'a'")
    young = await months.run(clock.now())
    await asyncio.to_thread(migrate.downgrade, "workflows", urls["owner"], "0002")
    rows = await months.admin.fetch("SELECT id, start_key, output::text AS output FROM run ORDER BY id")
    assert [(row["id"], row["start_key"]) for row in rows] == [(run, f"{run}:a"), (young, f"{young}:a")]
    assert rows[0]["output"] == '"x"'
    assert await months.admin.fetchval("SELECT count(*) FROM run_step WHERE output::text = '\"x\"'") == 2
    assert not await months.admin.fetchval("SELECT count(*) FROM pg_class WHERE relispartition")
    await asyncio.to_thread(migrate.upgrade, "workflows", urls["owner"])
    assert await months.ids() == {run, young}
    assert await months.ids("run_start", "run_id") == {run, young}
    async with months.database.session(ids.new()) as session:
        found: Any = await session.execute(text("SELECT count(*) FROM run"))
        assert found.scalar() == 0, "the wall between organisations stands before every month"
