"""The page at /docs: complete, offline, and gone in production."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from infra.local import discovery, openapi
from services.auth.app import create_app
from services.auth.routes.docs import FILES, OWN
from shared.server import settings_class

Open = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def browse() -> Open:
    """A client of auth's public application with the given settings; nothing else runs."""

    @asynccontextmanager
    async def opened(**fields: Any) -> AsyncIterator[httpx2.AsyncClient]:
        settings = settings_class("auth").model_validate({**openapi.settings_of("auth").model_dump(), **fields})
        app = create_app(settings)
        app.state.service = SimpleNamespace(settings=settings)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://floyo.test") as client:
            yield client

    return opened


async def test_the_page_shows_every_service(browse: Open) -> None:
    async with browse(environment="development") as client:
        page = await client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    documents = re.findall(r'data-document="([^"]+)"', page.text)
    assert documents == [f"/api/v1/openapi/{name}.json" for name in ("auth", "events", "workflows", "integrations")]
    assert len(documents) == len(discovery.services())


async def test_every_byte_comes_from_here(browse: Open) -> None:
    async with browse(environment="development") as client:
        page = await client.get("/docs")
        named = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        assert {name.removeprefix("/docs/") for name in named} == set(FILES)
        for name in named:
            answer = await client.get(name)
            assert answer.status_code == 200, name
            assert answer.headers["content-type"].startswith(FILES[name.removeprefix("/docs/")])
            assert answer.content
    own = "".join(path.read_text() for path in OWN.iterdir())
    assert not re.search(r"https?://", own)


async def test_the_policy_lets_nothing_in_from_elsewhere(browse: Open) -> None:
    async with browse(environment="development") as client:
        page = await client.get("/docs")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", page.text)


@pytest.mark.parametrize("path", ["/docs/", "/docs/nothing.js", "/docs/..%2fsettings.py", "/docs/page.html"])
async def test_nothing_else_is_served(browse: Open, path: str) -> None:
    async with browse(environment="development") as client:
        assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/docs/page.js", "/docs/swagger-ui.css", "/api/v1/openapi/auth.json"])
async def test_production_has_no_page_unless_switched_on(browse: Open, path: str) -> None:
    async with browse(environment="production") as client:
        assert (await client.get(path)).status_code == 404
    async with browse(environment="production", docs=True) as client:
        assert (await client.get(path)).status_code == 200
