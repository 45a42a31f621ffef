"""What every route inherits: commits before answers, problems, strict requests, safe headers, probes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import uuid4

import httpx2
import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from shared import errors, webapp
from shared.deps import Session, allow, called_by
from shared.identity import Principal
from shared.pool import WAITING_EACH
from shared.service import Service
from shared.servicetokens import Caller
from tests.shared.conftest import NOTES

HOME = uuid4()
WRITER = Principal("user", HOME, frozenset({"events:write"}), time.time() + 300, time.time(), user_id=uuid4())
READER = Principal("user", HOME, frozenset({"events:read"}), time.time() + 300, time.time(), user_id=uuid4())


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    data: dict[str, Any] = {}


class KnownTokens:
    """A verifier that knows two tokens; the rest of the request path is the real one."""

    feed_silent = False

    async def verify(self, token: str) -> Principal:
        known = {"writer": WRITER, "reader": READER}
        if token not in known:
            raise errors.Unauthorized("invalid-token", "Unknown.")
        return known[token]


routes = webapp.router()
inner = webapp.internal_router()


@routes.post("/notes", status_code=201)
async def create(
    note: Note, session: Session, principal: Annotated[Principal, allow("events:write")]
) -> dict[str, str]:
    await session.execute(sa.insert(NOTES).values(organization_id=principal.organization_id, text=note.text))
    if note.text == "poison":
        await session.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    return {"text": note.text}


@routes.get("/crash")
async def crash() -> None:
    raise RuntimeError("SELECT password FROM users")


@inner.get("/secret")
async def secret(caller: Annotated[Caller, called_by("events")]) -> dict[str, str]:
    return {"caller": caller.service}


@pytest.fixture
async def client(process: Service) -> AsyncIterator[httpx2.AsyncClient]:
    process.verifier = KnownTokens()  # type: ignore[assignment]
    app = webapp.public_app("events", [routes], process.settings)
    app.state.service = process
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://floyo") as opened:
        opened.headers["Authorization"] = "Bearer writer"
        yield opened


async def stored(process: Service) -> list[str]:
    async with process.database.session(HOME) as session:
        return list(await session.scalars(sa.select(NOTES.c.text)))


async def test_what_was_answered_is_committed(client: httpx2.AsyncClient, process: Service) -> None:
    answer = await client.post("/api/v1/notes", json={"text": "kept"})
    assert answer.status_code == 201
    assert await stored(process) == ["kept"]


async def test_a_failed_commit_is_never_answered_as_success(client: httpx2.AsyncClient, process: Service) -> None:
    answer = await client.post("/api/v1/notes", json={"text": "poison"})
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:floyo:problem:database-unavailable"
    assert await stored(process) == []


@pytest.mark.parametrize(
    ("request_options", "status", "slug"),
    [
        ({"json": {}}, 422, "invalid"),
        ({"json": {"text": "a", "extra": 1}}, 422, "invalid"),
        ({"json": {"text": "a"}, "params": [("id", "a"), ("id", "b")]}, 422, "invalid"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "malformed-json"),
        ({"content": b'{"text": NaN}', "headers": {"Content-Type": "application/json"}}, 422, "invalid-json"),
        ({"content": b'{"text": "a"}', "headers": {"Content-Type": "text/plain"}}, 415, "unsupported-media-type"),
        ({"json": {"text": "a" * 2**20}}, 413, "content-too-large"),
        ({"json": {"text": "a"}, "headers": {"Authorization": "Bearer reader"}}, 403, "forbidden"),
        ({"json": {"text": "a"}, "headers": {"Authorization": "Bearer nobody"}}, 401, "invalid-token"),
        ({"json": {"text": "a"}, "headers": {"Authorization": "Basic x"}}, 401, "invalid-token"),
    ],
    ids=["missing", "extra", "repeated", "syntax", "nan", "text", "large", "right", "token", "scheme"],
)  # fmt: skip
async def test_client_mistakes_are_problems(
    client: httpx2.AsyncClient, process: Service, request_options: dict[str, Any], status: int, slug: str
) -> None:
    answer = await client.post("/api/v1/notes", **request_options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:floyo:problem:{slug}"
    assert answer.json()["trace_id"] == answer.headers["x-trace-id"]
    assert await stored(process) == []


async def test_wrong_fields_are_named(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/v1/notes", json={"text": 1, "data": []})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/text", "/data"]


async def test_b95_a_crash_tells_its_trace_id_alone(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/v1/crash")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:floyo:problem:internal")
    assert "password" not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/v1/none", 404), ("PUT", "/api/v1/notes", 405)])
async def test_unknown_routes_are_problems(client: httpx2.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_answers_carry_safe_headers(client: httpx2.AsyncClient) -> None:
    headers = (await client.post("/api/v1/notes", json={"text": "a"})).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_the_trace_goes_through(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/v1/none", headers={"traceparent": f"00-{'ab' * 16}-{'1' * 16}-01"})
    assert answer.headers["x-trace-id"] == "ab" * 16


@pytest.fixture
async def internal(process: Service) -> AsyncIterator[httpx2.AsyncClient]:
    app = webapp.internal_app("events", [inner], process.settings)
    app.state.service = process
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://floyo") as opened:
        yield opened


async def test_b96_only_listed_siblings_may_call(internal: httpx2.AsyncClient, process: Service) -> None:
    token = process.tokens.mint("events", "GET", "/internal/secret")
    good = await internal.get("/internal/secret", headers={"Authorization": f"Bearer {token}"})
    assert good.json() == {"caller": "events"}
    for bad in ("", "Bearer x", f"Bearer {process.tokens.mint('events', 'GET', '/internal/other')}"):
        assert (await internal.get("/internal/secret", headers={"Authorization": bad})).status_code == 401


async def test_probes_tell_the_instance_from_its_dependencies(internal: httpx2.AsyncClient, process: Service) -> None:
    process.migrated = True
    assert (await internal.get("/health/liveness")).status_code == 200
    assert (await internal.get("/health/readiness")).status_code == 200
    components = (await internal.get("/health/detailed")).json()["components"]
    assert components["database"]["status"] == "ok"
    assert components["redis"]["status"] == "ok"
    process.draining = True
    assert (await internal.get("/health/readiness")).status_code == 503
    assert (await internal.get("/health/liveness")).status_code == 200


async def test_a_starved_pool_takes_the_instance_out_and_gives_it_back(
    internal: httpx2.AsyncClient, process: Service
) -> None:
    process.migrated = True
    release = asyncio.Event()

    async def hold() -> None:
        async with process.database.session(HOME):
            await release.wait()

    async def keep_asking() -> None:
        while not release.is_set():
            with contextlib.suppress(errors.Unavailable):
                async with process.database.session(HOME):
                    pass
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(hold()) for _ in range(5)]
    await asyncio.sleep(0.2)
    tasks += [asyncio.create_task(keep_asking()) for _ in range(3)]
    await asyncio.sleep(3)
    answer = await internal.get("/health/readiness")
    assert (answer.status_code, answer.json()["reason"]) == (503, "pool exhausted")
    assert answer.json()["pool"] == {
        "status": "waiting", "size": 10, "checked_out": 5, "waiting": 3, "utilisation": 0.5,
    }  # fmt: skip
    assert (await internal.get("/health/liveness")).status_code == 200
    release.set()
    await asyncio.gather(*tasks)
    assert (await internal.get("/health/readiness")).status_code == 200


async def test_whoever_comes_when_too_many_wait_is_refused_before_anything_is_done(
    client: httpx2.AsyncClient, process: Service
) -> None:
    release = asyncio.Event()

    async def hold() -> None:
        with contextlib.suppress(errors.Unavailable):
            async with process.database.session(HOME):
                await release.wait()

    holding = [asyncio.create_task(hold()) for _ in range(5)]
    await asyncio.sleep(0.2)
    waiting = [asyncio.create_task(hold()) for _ in range(5 * WAITING_EACH)]
    await asyncio.sleep(0.1)
    refused = await client.post("/api/v1/notes", json={"text": "late"}, headers={"Authorization": "Bearer nobody"})
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:floyo:problem:overloaded"), "not even who it is"
    assert refused.headers["Retry-After"] == "1"
    release.set()
    await asyncio.gather(*holding, *waiting)
    assert (await client.post("/api/v1/notes", json={"text": "kept"})).status_code == 201


async def test_metrics_are_exposed(internal: httpx2.AsyncClient) -> None:
    assert "floyo_database_pool_connections" in (await internal.get("/metrics")).text
