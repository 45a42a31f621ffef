"""Waiting for the gateway: a service that it does not reach is named, not passed over."""

import asyncio
from pathlib import Path

import pytest

from infra.local import readiness
from infra.local.readiness import Readiness


async def test_a_service_that_the_gateway_does_not_reach_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ROUTED_SECONDS", 0.2)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        status = b"405 Method Not Allowed" if b"auth" in path else b"503 Service Unavailable"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await Readiness(tmp_path, port, print).route(["auth", "events"])
    assert len(told) == 1
    assert told[0].startswith("events is ready, but the gateway does not reach it")
