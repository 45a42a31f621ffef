"""The archive of a person: what auth and every sibling know, in one document."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from infra.local import ports
from tests.auth.processes import Person, Process

Join = Callable[[], Awaitable[Person]]
SIBLINGS = ("events", "workflows", "integrations")
PAGES = 3


class Sibling:
    """Answers for all siblings with three pages of one item each; `pages_left` of them, then it fails."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()
        self.pages_left = 1_000

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.add((request.match_info["user_id"], request.query["organization_id"]))
        self.pages_left -= 1
        if self.pages_left < 0:
            return web.Response(status=500)
        page = int(request.query.get("after", 0))
        following = str(page + 1) if page + 1 < PAGES else None
        return web.json_response({"items": [{"page": page}], "next": following})


@pytest.fixture
async def sibling(service_auth: Process, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sibling]:
    async with answering() as (made, url):
        directory = service_auth.service.siblings._directory
        monkeypatch.setattr(directory, "_known", {name: [url] for name in SIBLINGS})
        yield made


@asynccontextmanager
async def answering() -> AsyncIterator[tuple[Sibling, str]]:
    """A sibling on a free port of the loopback address."""
    made, port = Sibling(), ports.free()
    app = web.Application()
    app.router.add_get("/internal/people/{user_id}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield made, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def test_archive_holds_everything_but_secrets(join: Join, sibling: Sibling) -> None:
    person = await join()
    further = await person.ok("POST", "/organizations", 201, json={"name": "Further"})
    exported = await person.ok("GET", "/users/me/export")
    assert exported["account"]["email"] == person.email
    assert [item["role"] for item in exported["organizations"]] == ["owner"] * 2
    assert {item["action"] for item in exported["activity"]} >= {"account.registered", "session.started"}
    for name in SIBLINGS:
        assert exported[name] == [{"page": page} for page in range(PAGES)] * 2
    assert sibling.asked == {(await person.user_id(), of) for of in (person.organization_id, further["id"])}
    assert "argon2" not in json.dumps(exported)
    (entry,) = (await person.ok("GET", "/audit-log?action=account.exported"))["items"]
    assert entry["target"] == await person.user_id()


async def test_archive_is_whole_or_not_at_all(join: Join, sibling: Sibling) -> None:
    person = await join()
    sibling.pages_left = 2
    assert await person.refused("GET", "/users/me/export", 503) == "sibling-unavailable"
    sibling.pages_left = 5
    broken = await person.call("GET", "/users/me/export")
    with pytest.raises(json.JSONDecodeError):
        broken.json()
