"""A target of users' calls inside the chaos process: healthy, failing or hanging as it is told, and it counts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from infra.local import ports


@dataclass(frozen=True)
class Seen:
    """One call: when it came by the monotonic clock, where to, and its headers in lower case."""

    at: float
    path: str
    headers: dict[str, str]


@dataclass
class Target:
    """What came, and how the next calls are answered: `hanging` paths never, others with their status, else 200."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    hanging: set[str] = field(default_factory=set)
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.port}"

    def calls(self, path: str = "/") -> list[Seen]:
        """The calls to one path."""
        return [seen for seen in self.seen if seen.path == path]

    def recover(self) -> None:
        """Answer from now on, whatever hung or failed."""
        self.hanging.clear()
        self.statuses.clear()

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        await request.read()
        self.seen.append(Seen(time.monotonic(), request.path, headers))
        if request.path in self.hanging:
            await asyncio.sleep(60)
        return web.json_response(
            {"authorized": headers.get("authorization")}, status=self.statuses.get(request.path, 200)
        )


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Target]:
    """A target on a free port of the loopback address."""
    target = Target(ports.free())
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", target.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", target.port).start()
    try:
        yield target
    finally:
        await runner.cleanup()
