"""Stand-ins for third parties on loopback: they check the credential, remember what came, can refuse or be busy."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aiohttp import web

Mode = Literal["well", "refusing", "busy"]


class Target(Protocol):
    """What the contract needs of a stand-in."""

    mode: Mode

    @property
    def connections(self) -> int:
        """How many connections or requests came."""

    @property
    def ports(self) -> list[int]:
        """Every port that the connector may be allowed to reach."""

    async def stop(self) -> None:
        """Stop listening."""


@dataclass
class Seen:
    """One request as it came; `target` is path and query in one."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    target: str = ""


Answer = Callable[[Seen], Awaitable[web.Response] | web.Response]


@dataclass
class Api:
    """An HTTP API whose answers the test gives: `answer` is asked while it is well."""

    answer: Answer
    refusal: Callable[[], web.Response] = field(default=lambda: web.json_response({"error": "no"}, status=401))
    business: Callable[[], web.Response] = field(default=lambda: web.json_response({"error": "later"}, status=503))
    mode: Mode = "well"
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> "Api":
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    @property
    def connections(self) -> int:
        return len(self.seen)

    @property
    def ports(self) -> list[int]:
        return [self.port]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        path, target = request.raw_path.partition("?")[0], request.raw_path
        seen = Seen(request.method, path, dict(request.query), headers, await request.read(), target)
        self.seen.append(seen)
        if self.mode == "refusing":
            return self.refusal()
        if self.mode == "busy":
            return self.business()
        found: Any = self.answer(seen)
        return found if isinstance(found, web.Response) else await found


@dataclass
class Proxy:
    """A relay in front of a real server, which can refuse or be busy in the server's own protocol."""

    upstream: int
    refusal: bytes
    business: bytes
    mode: Mode = "well"
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    @property
    def ports(self) -> list[int]:
        return [self.port]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.mode != "well":
            await reader.read(65536)
            writer.write(self.refusal if self.mode == "refusing" else self.business)
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        for source, sink in ((reader, server_writer), (server_reader, writer)):
            task = asyncio.create_task(_pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    except ConnectionError:
        return
    finally:
        sink.close()
