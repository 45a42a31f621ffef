"""Breakers between siblings: an instance that hangs or breaks off is passed over, tried by one call, and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from infra.local import ports
from shared import crypto, errors, httpclient
from shared.httpclient import Directory, Siblings
from shared.servicetokens import ServiceTokens


@dataclass
class Instance:
    """A listening instance: it answers, hangs or breaks connections off as told, and counts."""

    port: int
    mood: str = "well"
    calls: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.Response:
        self.calls += 1
        if self.mood == "hanging":
            await self.released.wait()
        if self.mood == "breaking" and request.transport:
            request.transport.close()
        if self.mood == "without its database":
            told = {"type": "urn:floyo:problem:database-unavailable", "detail": "It is away.", "retryable": True}
            return web.json_response(told, status=503)
        return web.json_response({"port": self.port}, status=503 if self.mood == "failing" else 200)


@asynccontextmanager
async def listening() -> AsyncIterator[Instance]:
    instance = Instance(ports.free())
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", instance.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", instance.port).start()
    yield instance
    instance.released.set()
    await runner.cleanup()


@pytest.fixture
async def sick() -> AsyncIterator[Instance]:
    async with listening() as instance:
        yield instance


@pytest.fixture
async def well() -> AsyncIterator[Instance]:
    async with listening() as instance:
        yield instance


Asker = Callable[..., Awaitable[object]]


@pytest.fixture
async def ask_of(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., tuple[Asker, Siblings]]]:
    """Makes a client of the given instances, and a function that asks through it."""
    monkeypatch.setattr(httpclient, "RESET_SECONDS", 0.5)
    opened: list[Siblings] = []

    def build(*urls: str) -> tuple[Asker, Siblings]:
        siblings = Siblings(Directory({"auth": list(urls)}, None), ServiceTokens("events", crypto.random_token(32), {}))
        opened.append(siblings)

        async def ask(seconds: float = 1.0) -> object:
            return await siblings.call("auth", "POST", "/internal/anything", timeout=seconds)

        return ask, siblings

    yield build
    for siblings in opened:
        await siblings.close()


async def refused(ask: Asker, times: int, seconds: float = 1.0) -> list[errors.Unavailable]:
    """So many calls at once, each of which must be unavailable."""
    found = await asyncio.gather(*(ask(seconds) for _ in range(times)), return_exceptions=True)
    assert {type(error) for error in found} == {errors.Unavailable}
    return [error for error in found if isinstance(error, errors.Unavailable)]


Client = Callable[..., tuple[Asker, Siblings]]


async def test_a_sibling_that_hangs_is_left_alone_and_then_tried_by_one_call(sick: Instance, ask_of: Client) -> None:
    ask, siblings = ask_of(sick.url)
    sick.mood = "hanging"
    await refused(ask, 5)
    assert (await siblings.describe()) == {"status": "degraded", "spared": [sick.url]}
    began = time.monotonic()
    (error, *_) = await refused(ask, 50)
    assert time.monotonic() - began < 0.4
    assert (sick.calls, error.slug, error.headers["Retry-After"]) == (5, "sibling-unavailable", "1")
    await asyncio.sleep(0.5)
    await refused(ask, 20)
    assert sick.calls == 6, "half open: one call"
    sick.mood = "well"
    sick.released.set()
    await asyncio.sleep(0.6)
    assert await ask() == {"port": sick.port}
    assert (await siblings.describe()) == {"status": "ok", "spared": []}


async def test_the_instance_beside_a_hanging_one_serves_everybody(
    sick: Instance, well: Instance, ask_of: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpclient, "RESET_SECONDS", 60.0)
    ask, siblings = ask_of(sick.url, well.url)
    sick.mood = "hanging"
    async with asyncio.timeout(20):
        while (await siblings.describe())["status"] == "ok":
            await asyncio.gather(*(ask(3.0) for _ in range(10)), return_exceptions=True)
    seen = sick.calls
    answers = await asyncio.gather(*(ask(10.0) for _ in range(100)))
    assert answers == [{"port": well.port}] * 100
    assert sick.calls == seen


async def test_what_breaks_off_counts_like_what_hangs(sick: Instance, ask_of: Client) -> None:
    ask, _ = ask_of(sick.url)
    sick.mood = "breaking"
    for _ in range(8):
        await refused(ask, 1)
    assert sick.calls == 5


async def test_refusing_hurrying_and_answering_with_an_error_open_nothing(sick: Instance, ask_of: Client) -> None:
    ask, siblings = ask_of(sick.url)
    sick.mood = "hanging"
    await refused(ask, 8, seconds=0.1)
    assert sick.calls == 8, "who had no time to wait proves nothing"
    sick.mood = "failing"
    sick.released.set()
    await refused(ask, 8)
    assert sick.calls == 16, "an answer, whatever it says, proves that it is there"
    away, nobody = ask_of(f"http://127.0.0.1:{ports.free()}")
    await refused(away, 8)
    assert [(await one.describe())["status"] for one in (siblings, nobody)] == ["ok", "ok"]


async def test_a_sibling_that_says_it_cannot_is_unavailable_like_one_that_says_nothing(
    sick: Instance, ask_of: Client
) -> None:
    ask, _ = ask_of(sick.url)
    sick.mood = "without its database"
    (told,) = await refused(ask, 1)
    assert (told.slug, told.detail, told.extensions) == ("database-unavailable", "It is away.", {"retryable": True})
    assert int(told.headers["Retry-After"]) > 0
