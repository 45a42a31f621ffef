"""A sibling on loopback that answers as workflows does, and remembers what it was asked."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
import uvicorn

from shared import ids


class Workflows:
    """Starts one run for each (trigger, event) and makes one workflow for each origin."""

    def __init__(self) -> None:
        self.matches: list[dict[str, Any]] = []
        self.runs: set[tuple[str, str]] = set()
        self.origins: dict[str, UUID] = {}
        self.definitions: list[dict[str, Any]] = []
        self.failures = 0
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if self.failures:
            self.failures -= 1
            await _answer(send, 500, {})
        elif scope["path"] == "/internal/trigger-matches":
            await _answer(send, 200, {"started": self._match(orjson.loads(body)["matches"])})
        else:
            await _answer(send, *self._create(orjson.loads(body)))

    def _match(self, matches: list[dict[str, Any]]) -> int:
        before = len(self.runs)
        self.matches += matches
        self.runs |= {(match["trigger_id"], match["event"]["id"]) for match in matches}
        return len(self.runs) - before

    def _create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.definitions.append(body["definition"])
        origin = body["origin"]["id"]
        known = origin in self.origins
        return 200 if known else 201, {"workflow_id": str(self.origins.setdefault(origin, ids.new()))}


async def _answer(send: Any, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


@asynccontextmanager
async def answering() -> AsyncIterator[Workflows]:
    """Serves until the block ends."""
    sibling = Workflows()
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(sibling, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    sibling.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    try:
        yield sibling
    finally:
        server.should_exit = True
        await serving
