"""Waiting for the gateway: a service that it does not reach is named, not passed over."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.local import readiness
from infra.local.readiness import Readiness

ANSWERS = {
    b"/health/listing-3": b"200 OK",
    b"/api/v1/openapi/auth.json": b"405 Method Not Allowed",
}


async def test_a_service_that_the_gateway_does_not_reach_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ROUTED_SECONDS", 0.2)

    async with _gateway(ANSWERS) as port:
        told = await Readiness(tmp_path, port, print).route(["auth", "events"], lambda: 3)
    assert len(told) == 1
    assert told[0].startswith("events is ready, but the gateway does not reach it")


async def test_an_older_listing_of_servers_is_not_enough(tmp_path: Path) -> None:
    answers = {b"/api/v1/openapi/auth.json": b"405 Method Not Allowed", b"/health/listing-2": b"200 OK"}
    async with _gateway(answers) as port:
        waiting = asyncio.create_task(Readiness(tmp_path, port, print).route(["auth"], lambda: 3))
        assert not (await asyncio.wait([waiting], timeout=0.2))[0]
        answers[b"/health/listing-3"] = b"200 OK"
        assert await waiting == []


@asynccontextmanager
async def _gateway(answers: Mapping[bytes, bytes]) -> AsyncIterator[int]:
    """The port of what answers each path with the status given for it, and any other with 503."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status = answers.get((await reader.readuntil(b"\r\n\r\n")).split()[1], b"503 Service Unavailable")
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
