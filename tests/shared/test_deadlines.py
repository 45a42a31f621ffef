"""Deadlines travel: a sibling is told how long somebody waits, and asks others for no longer than that."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from shared import errors, tracing, webapp
from shared.httpclient import Directory, Siblings
from shared.service import Service


@pytest.fixture
async def heard() -> AsyncIterator[tuple[int, list[float]]]:
    """The port of a sibling, and the timeouts that it was told; it answers after a tenth of a second."""
    told: list[float] = []
    closing: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        told.append(float(head.partition("floyo-timeout: ")[2].partition("\r")[0]))
        await asyncio.sleep(0.1)
        closing.append(writer)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], told
    server.close()
    await asyncio.gather(*(writer.wait_closed() for writer in closing), return_exceptions=True)
    await asyncio.sleep(0.1)


@pytest.fixture
async def client(process: Service, heard: tuple[int, list[float]]) -> AsyncIterator[httpx2.AsyncClient]:
    """An internal application whose route asks the sibling twice."""
    router = webapp.internal_router()
    process.siblings = Siblings(Directory({"auth": [f"http://127.0.0.1:{heard[0]}"]}, None), process.tokens)

    @router.get("/twice")
    async def twice() -> Any:
        await process.siblings.call("auth", "GET", "/internal/jwks")
        return await process.siblings.call("auth", "GET", "/internal/jwks", timeout=2.0)

    app = webapp.internal_app("events", [router], process.settings)
    app.state.service = process
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://floyo/internal") as opened:
        yield opened


async def test_a_sibling_is_told_how_long_somebody_waits(
    client: httpx2.AsyncClient, heard: tuple[int, list[float]]
) -> None:
    assert (await client.get("/twice")).status_code == 200
    assert heard[1] == pytest.approx([5.0, 2.0], abs=0.05), "nobody waits: each call has its own time"
    assert (await client.get("/twice", headers={"Floyo-Timeout": "1.5"})).status_code == 200
    first, second = heard[1][2:]
    assert 1.0 < first <= 1.5
    assert second < first - 0.09, "the time that the first took is gone"


async def test_what_nobody_waits_for_is_not_begun(client: httpx2.AsyncClient, heard: tuple[int, list[float]]) -> None:
    assert (await client.get("/twice")).status_code == 200, "the first of all takes longer"
    heard[1].clear()
    answer = await client.get("/twice", headers={"Floyo-Timeout": "0.09"})
    assert answer.status_code == 503
    assert len(heard[1]) == 1
    late = await client.get("/twice", headers={"Floyo-Timeout": "0"})
    assert (late.status_code, late.json()["type"]) == (503, "urn:floyo:problem:deadline-exceeded")
    assert len(heard[1]) == 1


@pytest.mark.parametrize("said", ["soon", "nan", "1e9", "inf"])
async def test_a_deadline_is_bounded_whatever_is_said(
    client: httpx2.AsyncClient, heard: tuple[int, list[float]], said: str
) -> None:
    assert (await client.get("/twice", headers={"Floyo-Timeout": said})).status_code == 200
    assert heard[1] == pytest.approx([5.0, 2.0], abs=0.05)


async def test_work_of_ones_own_has_no_deadline(process: Service) -> None:
    assert tracing.remaining() == float("inf")
    with pytest.raises(errors.Unavailable):
        await process.siblings.call("nobody", "GET", "/")
