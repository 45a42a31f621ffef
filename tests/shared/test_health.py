"""`/health/detailed`: whatever breaks is named and nothing else; a worker that looks for no jobs is not alive."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from infra.local.valkey import Valkey
from shared import backlog, clock, errors, jobs, migrate, webapp, worker
from shared import service as services
from shared.database import Database
from shared.httpclient import Directory, Siblings
from shared.ratelimit import Limit, Limiter
from shared.service import Service
from shared.worker import WorkerSettings
from tests.shared.conftest import OUTBOX
from tests.shared.test_outbox import publish

NOWHERE = "postgresql://nobody:nothing@127.0.0.1:1/nothing"


@pytest.fixture
async def internal(process: Service, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    """The internal port of a healthy process, whose service has a worker and a migrated schema."""

    async def current(database: Database) -> str | None:
        await database.ping()
        return migrate.head("events")

    monkeypatch.setattr(migrate, "current", current)
    process.components["outbox"] = lambda: backlog.measure(
        process.database, OUTBOX.c.due_at, OUTBOX.c.delivered_at.is_(None)
    )
    await process.redis.delete(jobs.queue_name("events"), "floyo:events:workers")
    await jobs.report(process.redis, "events", "events-worker-1")
    app = webapp.internal_app("events", [], process.settings)
    app.state.service = process
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://floyo") as opened:
        yield opened


async def break_database(process: Service) -> None:
    await process.database.close()
    process.database = Database(NOWHERE, NOWHERE)


async def break_pool(process: Service) -> None:
    async def ask() -> None:
        async with process.database.session(None):
            await asyncio.sleep(1)

    process.parts[list] = [asyncio.create_task(ask()) for _ in range(8)]
    await asyncio.sleep(0.3)


async def break_migrations(process: Service) -> None:
    async def behind(database: Database) -> str | None:
        await database.ping()
        return "0000"

    migrate.current = behind  # put back by the fixture's monkeypatch


async def break_redis(process: Service) -> None:
    await process.redis.aclose(close_connection_pool=True)
    process.redis = services.connect_redis("redis://127.0.0.1:1/0")


async def break_queue(process: Service) -> None:
    await process.redis.zadd(jobs.queue_name("events"), {"forgotten": (time.time() - 60) * 1000})


async def break_workers(process: Service) -> None:
    await process.redis.zadd("floyo:events:workers", {"events-worker-1": time.time() - 60})


async def break_loops(process: Service) -> None:
    async def end(_service: Service) -> None:
        return

    process.start(end)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def break_outbox(process: Service) -> None:
    await publish(process, "waiting")
    async with process.database.system() as session:
        await session.execute(sa.update(OUTBOX).values(due_at=clock.now() - timedelta(seconds=60)))


async def break_siblings(process: Service) -> None:
    """Five calls that a sibling breaks off."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process.siblings = Siblings(Directory({"auth": [f"http://127.0.0.1:{port}"]}, None), process.tokens)
    for _ in range(5):
        with pytest.raises(errors.Unavailable):
            await process.siblings.call("auth", "POST", "/internal/nothing")
    server.close()


async def break_own(process: Service) -> None:
    async def ask() -> dict[str, Any]:
        raise ConnectionResetError

    process.components["breakers"] = ask


BREAKS: list[tuple[Callable[[Service], Awaitable[None]], dict[str, str]]] = [
    (break_database, {"database": "down", "migrations": "down", "outbox": "down"}),
    (break_pool, {"pool": "waiting"}),
    (break_migrations, {"migrations": "behind"}),
    (break_redis, {"redis": "down", "queue": "down", "workers": "down"}),
    (break_queue, {"queue": "late"}),
    (break_workers, {"workers": "absent"}),
    (break_loops, {"loops": "ended"}),
    (break_outbox, {"outbox": "late"}),
    (break_siblings, {"siblings": "degraded"}),
    (break_own, {"breakers": "down"}),
]


@pytest.mark.parametrize(("destroy", "named"), BREAKS, ids=lambda value: getattr(value, "__name__", ""))
async def test_what_is_broken_is_named(
    process: Service,
    internal: httpx2.AsyncClient,
    destroy: Callable[[Service], Awaitable[None]],
    named: dict[str, str],
) -> None:
    before = (await internal.get("/health/detailed")).json()
    assert before["status"] == "ok", before
    await destroy(process)
    after = (await internal.get("/health/detailed")).json()
    assert after["status"] == "degraded"
    wrong = {name: found["status"] for name, found in after["components"].items() if found["status"] != "ok"}
    assert wrong == named
    await asyncio.gather(*process.parts.get(list, []))


async def test_a_silent_feed_of_revocations_is_named(process: Service, internal: httpx2.AsyncClient) -> None:
    class Silent:
        feed_silent = True

    process.verifier = Silent()  # type: ignore[assignment]
    found = (await internal.get("/health/detailed")).json()
    assert (found["status"], found["components"]["revocations"]["status"]) == ("degraded", "silent")


async def test_figures_are_shown(process: Service, internal: httpx2.AsyncClient) -> None:
    found = (await internal.get("/health/detailed")).json()["components"]
    assert found["pool"].keys() == {"status", "size", "checked_out", "waiting", "utilisation"}
    assert found["workers"]["seen"] == ["events-worker-1"]
    assert found["queue"] == {"status": "ok", "due": 0, "oldest_seconds": None}
    assert found["migrations"]["head"]


async def test_a_worker_that_stopped_looking_is_not_alive(process: Service, internal: httpx2.AsyncClient) -> None:
    process.looked_at = time.monotonic()
    assert (await internal.get("/health/liveness")).status_code == 200
    process.looked_at -= 100
    assert (await internal.get("/health/liveness")).status_code == 503
    await break_redis(process)
    assert (await internal.get("/health/liveness")).status_code == 200, "nobody restarts for the fault of another"


async def test_a_worker_with_nothing_to_do_is_alive(process: Service, internal: httpx2.AsyncClient) -> None:
    async def rest(_process: Service) -> None:
        raise AssertionError("nobody asked for it")

    process.looked_at = time.monotonic() - 100
    assert (await internal.get("/health/liveness")).status_code == 503
    taker = worker._arq_worker(WorkerSettings("events", jobs=[rest], loops=[]), process)
    taking = asyncio.create_task(taker.async_run())
    try:
        async with asyncio.timeout(10):
            while (await internal.get("/health/liveness")).status_code != 200:  # noqa: ASYNC110 - asks from outside
                await asyncio.sleep(0.05)
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await taker.pool.aclose(close_connection_pool=True)
    assert process.settings.instance in (await jobs.workers(process.redis, "events"))["seen"]


async def test_the_limiter_tells_which_backend_counts(process: Service, valkey: Valkey) -> None:
    good, bad = Limiter(valkey.url("events"), "events-1"), Limiter("redis://127.0.0.1:1/0", "events-2")
    for limiter in (good, bad):
        await limiter.take(Limit("probe", 5, 1), "somebody")
    assert await good.describe() == {"status": "ok", "backend": "redis", "instances": 1}
    assert await bad.describe() == {"status": "degraded", "backend": "memory", "instances": 1}
    for limiter in (good, bad):
        await limiter.close()


async def test_the_queue_counts_what_waits_and_neither_what_is_to_come_nor_what_runs(process: Service) -> None:
    queue, now = jobs.queue_name("events"), time.time() * 1_000
    await process.redis.delete(queue)
    await process.redis.zadd(queue, {"running": now - 9_000, "waiting": now - 4_000, "later": now + 60_000})
    await process.redis.set("arq:in-progress:running", b"1", px=10_000)
    found = await jobs.depth(process.redis, "events")
    assert found["due"] == 1
    assert 3.9 <= found["oldest_seconds"] <= 6
    await process.redis.zrem(queue, "waiting")
    assert await jobs.depth(process.redis, "events") == {"status": "ok", "due": 0, "oldest_seconds": None}
    await process.redis.delete(queue, "arq:in-progress:running")
