"""Answers on a real socket: written whole when they can be, by uvicorn's own way when not."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from shared import protocol, server

HEAD = "{} {} HTTP/1.1\r\nHost: here\r\n\r\n"
LENGTH = (b"Content-Length", b"2")


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers in the way that the path names."""
    path = scope["path"]
    headers = {"/split": [(b"x-a", b"1\r\nx-b: 2"), LENGTH], "/close": [(b"connection", b"close"), LENGTH]}.get(
        path, [] if path in {"/stream", "/none"} else [LENGTH]
    )
    await send({"type": "http.response.start", "status": 204 if path == "/none" else 200, "headers": headers})
    if path == "/crash":
        raise RuntimeError("after the head, before the body")
    if path == "/stream":
        for part in (b"one", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if path in {"/stream", "/none"} else b"{}"})


@contextlib.asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch, keep_alive: float = 60.0) -> AsyncIterator[int]:
    """A server of the shared kind; its port."""
    monkeypatch.setattr(server, "KEEP_ALIVE", keep_alive)
    bound = socket.create_server(("127.0.0.1", 0))
    holder = type("App", (), {"state": SimpleNamespace(), "__call__": staticmethod(application)})()
    running = server.build_server(holder, SimpleNamespace(forwarded_allow_ips="127.0.0.1"))  # type: ignore[arg-type]
    task = asyncio.create_task(running.serve(sockets=[bound]))
    try:
        yield bound.getsockname()[1]
    finally:
        running.should_exit = True
        await task


async def ask(port: int, *paths: str, method: str = "GET", seconds: float = 0.3) -> bytes:
    """All that comes back for requests sent at once, until the other side closes or is silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("".join(HEAD.format(method, path) for path in paths).encode())
    found = b""
    with contextlib.suppress(TimeoutError):
        while piece := await asyncio.wait_for(reader.read(65_536), seconds):
            found += piece
    writer.close()
    await writer.wait_closed()
    return found


async def test_pipelined_requests_are_answered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as port:
        found = await ask(port, "/plain", "/stream", "/plain")
    assert found.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert [piece.rpartition(b"\r\n\r\n")[2] for piece in found.split(b"HTTP/1.1 200 OK\r\n")[1::2]] == [b"{}", b"{}"]
    assert b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" in found


async def test_a_whole_answer_is_as_uvicorn_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as port:
        whole = await ask(port, "/plain")
        monkeypatch.setattr(protocol.Cycle, "_write_whole", lambda *_: False)
        assert without_date(await ask(port, "/plain")) == without_date(whole)
    assert b"\r\ncontent-length: 2\r\n" in whole


def without_date(answer: bytes) -> list[bytes]:
    """The lines that two answers of one kind share."""
    return [line for line in answer.split(b"\r\n") if not line.startswith(b"date:")]


@pytest.mark.parametrize(("method", "path", "wanted"), [
    ("HEAD", "/plain", b"HTTP/1.1 200 OK"), ("GET", "/none", b"HTTP/1.1 204 No Content"),
    ("GET", "/crash", b"HTTP/1.1 500 Internal Server Error"), ("GET", "/split", b"HTTP/1.1 "),
    ("GET", "/close", b"HTTP/1.1 200 OK"),
])  # fmt: skip
async def test_what_is_not_plain_goes_uvicorns_way(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str, wanted: bytes
) -> None:
    async with serving(monkeypatch) as port:
        found = await ask(port, path, method=method)
    assert found.startswith(wanted) or (path == "/split" and not found)
    assert b"x-b" not in found
    assert method != "HEAD" or found.endswith(b"\r\n\r\n")


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch, keep_alive=0.4) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):
            writer.write(HEAD.format("GET", "/plain").encode())
            assert (await asyncio.wait_for(reader.read(65_536), 2)).startswith(b"HTTP/1.1 200 OK")
            await asyncio.sleep(0.2)
        assert await asyncio.wait_for(reader.read(65_536), 2) == b""
        writer.close()
        await writer.wait_closed()


async def test_a_server_keeps_its_clock_and_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    async with serving(monkeypatch) as port:
        dates = set()
        for _ in range(2):
            answer = await ask(port, "/plain", seconds=0.05)
            dates |= {line for line in answer.split(b"\r\n") if line.startswith(b"date:")}
            await asyncio.sleep(2 * server.TICK_SECONDS)
        ending = loop.time()
    assert len(dates) == 2
    assert loop.time() - ending < server.TICK_SECONDS / 2


@pytest.mark.parametrize("said", [
    [], [b"203.0.113.7"], [b"203.0.113.7, 127.0.0.1"], [b"198.51.100.1", b"203.0.113.7"], [b"203.0.113.7:99"],
    [b"[2001:db8::1]:99"], [b"127.0.0.1"], [b""], [b"\xff"],
])  # fmt: skip
@pytest.mark.parametrize("client", [("127.0.0.1", 5000), ("203.0.113.9", 5000), None])
async def test_the_callers_address_is_what_uvicorn_makes_of_it(
    said: list[bytes], client: tuple[str, int] | None
) -> None:
    seen: list[Any] = []

    async def note(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"])

    headers = [(b"host", b"here"), *((b"x-forwarded-for", value) for value in said)]
    for kind in (protocol.Proxied, ProxyHeadersMiddleware, protocol.Proxied):
        await kind(note, "127.0.0.1")({"type": "http", "client": client, "headers": headers}, None, None)  # type: ignore[arg-type]
    assert seen[0] == seen[1] == seen[2]
