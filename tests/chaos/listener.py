"""A live socket as an honest client holds it: it comes back by itself and goes on after the last position it saw."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

LONGEST_PAUSE = 5.0


@dataclass
class Listener:
    """It pauses as `client/live.py` does before it comes back, each a little otherwise than the others.

    `heard` are names of events in the order of their coming, `at` when each came first (wall clock).
    """

    url: str
    key: str
    mine: str = ""
    heard: list[str] = field(default_factory=list)
    at: dict[str, float] = field(default_factory=dict)
    foreign: int = 0
    resets: int = 0
    resumed: int = 0
    failures: int = 0
    broken: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    position: str | None = None
    joined: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, http: aiohttp.ClientSession) -> None:
        """Until it is cancelled."""
        while True:
            try:
                headers = {"Authorization": f"Bearer {self.key}"}
                async with http.ws_connect(self.url, headers=headers, heartbeat=10) as connection:
                    await self._follow(connection)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.broken.append(repr(error)[:120])
            self.resumed += 1
            self.failures += 1
            await asyncio.sleep(min(LONGEST_PAUSE, 0.25 * 2 ** min(self.failures, 8)) * random.uniform(0.5, 1.0))

    async def _follow(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        after = {} if self.position is None else {"events": self.position}
        await connection.send_json({"type": "subscribe", "channels": ["events"], "after": after})
        since = time.monotonic()
        async for frame in connection:
            if frame.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                return
            message = orjson.loads(frame.data)
            self.resets += message["type"] == "reset"
            if message["type"] == "subscribed":
                self.failures = 0
                self.position = self.position or message["position"]
                self.joined.set()
            if message["type"] == "message":
                self._note(message, since)

    def _note(self, message: dict[str, Any], since: float) -> None:
        self.position = message["position"]
        event = message["data"]
        name = event["external_id"]
        self.foreign += not name.startswith(self.mine)
        self.heard.append(name)
        self.at.setdefault(name, time.time())
        sent = event["data"].get("sent")
        if sent is not None and sent > since + 0.5:  # what came while nobody listened is late by nature
            self.delays.append(time.monotonic() - sent)
