"""Public requests have a deadline, and neither waiting for a connection nor a stalled PostgreSQL outlasts it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
import sqlalchemy as sa

from infra.local.postgres import Postgres
from shared import errors, limits, tracing, webapp
from shared.database import Database
from shared.deps import Session, allow
from shared.identity import Principal
from shared.service import Service
from tests.fixtures.servers import worker_name
from tests.shared.conftest import NOTES, Probe

HOME = UUID(int=7)
WRITER = Principal("user", HOME, frozenset({"events:write"}), time.time() + 300, time.time(), user_id=uuid4())
STALLED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%note%'"
SLOW_COMMIT = """
CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION take_long()
"""


@pytest.fixture
async def other(postgres: Postgres, probe: Probe) -> AsyncIterator[Any]:
    """A connection of somebody else in the same database, as the superuser."""
    assert probe
    connection = await asyncpg.connect(postgres.dsn(f"probe_{worker_name()}"))
    yield connection
    await connection.close()


@contextlib.asynccontextmanager
async def stalled(other: Any) -> AsyncIterator[None]:
    """Nobody else gets at the notes; in the end nobody waits for them any more."""
    async with other.transaction():
        await other.execute("LOCK TABLE note")
        yield
        async with asyncio.timeout(2):  # the server is told that nobody waits, and does as it is told
            while await other.fetchval(STALLED):
                await asyncio.sleep(0.02)
                await other.execute("SELECT pg_stat_clear_snapshot()")


@contextlib.contextmanager
def given_up(slug: str, most: float) -> Any:
    began = time.monotonic()
    with pytest.raises(errors.Unavailable) as caught:
        yield
    assert caught.value.slug == slug
    assert time.monotonic() - began < most


async def store(database: Database) -> None:
    async with database.session(HOME) as session:
        await session.execute(sa.insert(NOTES).values(organization_id=HOME, text="late"))


async def test_a_stalled_statement_ends_with_the_time_of_whoever_waits(database: Database, other: Any) -> None:
    async with stalled(other):
        tracing.bound(0.4)
        with given_up("deadline-exceeded", 2):
            await store(database)
        tracing.bound(0.4)
        with given_up("deadline-exceeded", 2):
            async with database.statements() as connection:
                await connection.fetch("SELECT * FROM note")
    tracing.bound(10)
    await store(database)
    assert (database.figures().checked_out, database.figures().waiting) == (0, 0)


async def test_nobody_waits_for_a_connection_longer_than_they_are_waited_for(probe: Probe) -> None:
    database = Database(probe.url, probe.system_url, pool_size=1)
    async with database.session(HOME):
        tracing.bound(0.3)
        with given_up("deadline-exceeded", 1.5):
            await store(database)
        tracing.bound(20)
        with given_up("database-unavailable", 4):
            await store(database)
    await database.close()


async def test_what_nobody_waits_for_takes_no_connection(probe: Probe) -> None:
    database = Database(probe.url, probe.system_url, pool_size=1)
    tracing.bound(0)
    with given_up("deadline-exceeded", 0.2):
        await store(database)
    with given_up("deadline-exceeded", 0.2):
        await database.glance("SELECT 1")
    assert database.figures().checked_out == 0
    await database.close()


async def test_a_commit_under_way_is_not_given_up(database: Database, other: Any) -> None:
    await other.execute(SLOW_COMMIT)
    try:
        tracing.bound(0.3)
        await store(database)
    finally:
        await other.execute("DROP TRIGGER slow_commit ON note; DROP FUNCTION take_long")
    assert await other.fetchval("SELECT count(*) FROM note WHERE text = 'late'") == 1


routes = webapp.router()


@routes.post("/notes", status_code=201)
async def create(session: Session, _: Annotated[Principal, allow("events:write")]) -> dict[str, float]:
    left = tracing.remaining()
    await session.execute(sa.insert(NOTES).values(organization_id=HOME, text="late"))
    return {"left": left}


class OneWriter:
    """A verifier that knows one token; the rest of the request path is the real one."""

    feed_silent = False

    async def verify(self, _token: str) -> Principal:
        return WRITER


@pytest.fixture
async def public(process: Service) -> AsyncIterator[httpx2.AsyncClient]:
    process.verifier = OneWriter()  # type: ignore[assignment]
    app = webapp.public_app("events", [routes], process.settings)
    app.state.service = process
    headers = {"Authorization": "Bearer writer"}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://floyo/api/v1", headers=headers
    ) as client:
        yield client


async def test_a_public_request_has_a_deadline_and_says_when_it_is_over(
    public: httpx2.AsyncClient, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await public.post("/notes")
    assert answer.status_code == 201
    assert answer.json()["left"] == pytest.approx(limits.SECONDS["write"], abs=2)
    monkeypatch.setattr(limits, "seconds_for", lambda _method, _path: 0.5)
    async with stalled(other):
        late = await asyncio.wait_for(public.post("/notes"), 3)
    assert (late.status_code, late.json()["type"]) == (503, "urn:floyo:problem:deadline-exceeded")
    assert int(late.headers["Retry-After"]) > 0
    assert (await public.post("/notes")).status_code == 201
    assert await other.fetchval("SELECT count(*) FROM note") == 2


@pytest.mark.parametrize(
    ("method", "path", "seconds"),
    [
        ("GET", "/api/v1/events", limits.SECONDS["read"]),
        ("POST", "/api/v1/events", limits.SECONDS["ingest"]),
        ("POST", f"/api/v1/workflows/{HOME}/runs", limits.SECONDS["run"]),
        ("GET", "/api/v1/events/export", limits.LONG_SECONDS),
        ("POST", "/api/v1/events/upload", limits.LONG_SECONDS),
        ("POST", f"/api/v1/integrations/{HOME}/authorize/complete", limits.LONG_SECONDS),
    ],
)
def test_each_class_of_routes_has_its_time(method: str, path: str, seconds: float) -> None:
    assert limits.seconds_for(method, path) == seconds
