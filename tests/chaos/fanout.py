"""A8, fanout: live updates cross processes, and a socket whose process dies resumes without a gap."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

HAS_SHORT = True
RATE = 20
PROMPT_MS = 250
PATIENCE = 20.0


@dataclass
class Listener:
    """A socket that comes back by itself and goes on after the last position it saw."""

    url: str
    key: str
    heard: list[int] = field(default_factory=list)
    foreign: int = 0
    resets: int = 0
    resumed: int = 0
    delays: list[float] = field(default_factory=list)
    position: str | None = None
    joined: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, http: aiohttp.ClientSession, mine: str) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                headers = {"Authorization": f"Bearer {self.key}"}
                async with http.ws_connect(self.url, headers=headers, heartbeat=10) as connection:
                    await self._follow(connection, mine)
                self.resumed += 1
            await asyncio.sleep(0.2)

    async def _follow(self, connection: aiohttp.ClientWebSocketResponse, mine: str) -> None:
        after = {} if self.position is None else {"events": self.position}
        await connection.send_json({"type": "subscribe", "channels": ["events"], "after": after})
        since = time.monotonic()
        async for frame in connection:
            if frame.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                return
            message = orjson.loads(frame.data)
            self.resets += message["type"] == "reset"
            if message["type"] == "subscribed":
                self.position = self.position or message["position"]
                self.joined.set()
            if message["type"] == "message":
                self._note(message, mine, since)

    def _note(self, message: dict[str, Any], mine: str, since: float) -> None:
        self.position = message["position"]
        data = message["data"]["data"]
        self.foreign += data["whose"] != mine
        self.heard.append(data["number"])
        if data["sent"] > since + 0.5:  # what came while nobody listened is late by nature
            self.delays.append(time.monotonic() - data["sent"])


async def run(options: Options) -> dict[str, Any]:
    """Three processes, one killed halfway."""
    sockets, messages = (90, 240) if options.short else (300, 1_000)
    return await _scenario(options, sockets=sockets, messages=messages)


async def control(options: Options) -> dict[str, Any]:
    """Without catching up from a position, what was posted while a socket was away must be missing."""
    return await _scenario(options, sockets=60, messages=160, FLOYO_FAULTS="no-catch-up")


async def _scenario(options: Options, *, sockets: int, messages: int, **variables: str) -> dict[str, Any]:
    async with open_stand(scale={"events": 3}, sink_seconds=0.0, **variables) as stand:
        stranger = await asyncio.to_thread(
            stand.command, "infra.local.operator", "user", "create", "--email", "stranger@example.com",
            "--password", "a long chaotic password 7",
        )  # fmt: skip
        users = {"mine": stand.user["api_key"], "theirs": stranger["api_key"]}
        url = f"ws://127.0.0.1:{stand.port}/api/v1/live"
        listeners = [(name, Listener(url, key)) for name, key in users.items() for _ in range(_share(name, sockets))]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            tasks = [asyncio.create_task(listener.listen(http, name)) for name, listener in listeners]
            try:
                async with asyncio.timeout(60):
                    await asyncio.gather(*(listener.joined.wait() for _, listener in listeners))
                await asyncio.gather(_post(stand, http, users, messages), _break(stand, options, messages))
                await _settle(listeners, messages)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    return _reconcile(listeners, messages)


def _share(name: str, sockets: int) -> int:
    """Every tenth socket is a stranger's."""
    return sockets // 10 if name == "theirs" else sockets - sockets // 10


async def _post(stand: Stand, http: aiohttp.ClientSession, users: dict[str, str], messages: int) -> None:
    """One message to each organisation at the rate; one that fails is repeated under the same id."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(messages):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            for name, key in users.items():
                if name == "mine" or number % 10 == 0:
                    group.create_task(_send(stand, http, key, name, number))


async def _send(stand: Stand, http: aiohttp.ClientSession, key: str, name: str, number: int) -> None:
    event = {"source": "chaos", "type": "told", "id": f"{name}-{number}"}
    url, headers = f"http://127.0.0.1:{stand.port}/api/v1/events", {"Authorization": f"Bearer {key}"}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        data = {"whose": name, "number": number, "sent": time.monotonic()}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.post(url, json={**event, "data": data}, headers=headers) as answer:
                if answer.status in {200, 201, 409}:  # 409: an earlier attempt was stored, with its own moment
                    return
        await asyncio.sleep(0.2)
    raise RuntimeError(f"message {number} was never taken")


async def _break(stand: Stand, options: Options, messages: int) -> None:
    """SIGKILL one process halfway."""
    instances = await asyncio.to_thread(stand.processes, "events")
    await asyncio.sleep(messages / RATE * options.random.uniform(0.4, 0.6))
    kill(options.random.choice(instances)["pid"])


async def _settle(listeners: list[tuple[str, Listener]], messages: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if all(len(set(listener.heard)) >= len(_wanted(name, messages)) for name, listener in listeners):
            return
        await asyncio.sleep(0.2)


def _wanted(name: str, messages: int) -> set[int]:
    return set(range(0, messages, 1 if name == "mine" else 10))


def _reconcile(listeners: list[tuple[str, Listener]], messages: int) -> dict[str, Any]:
    missed = [_wanted(name, messages) - set(listener.heard) for name, listener in listeners]
    gaps = sum(map(len, missed))
    twice = sum(len(listener.heard) - len(set(listener.heard)) for _, listener in listeners)
    foreign = sum(listener.foreign for _, listener in listeners)
    resets = sum(listener.resets for _, listener in listeners)
    resumed = sum(listener.resumed for _, listener in listeners)
    delays = sorted(delay for _, listener in listeners for delay in listener.delays)
    p99 = round(delays[int(len(delays) * 0.99)] * 1_000, 1) if delays else None
    faults = [f"{gaps} messages were missed"] if gaps else []
    faults += [f"{twice} messages came twice"] if twice else []
    faults += [f"{foreign} messages were another organisation's"] if foreign else []
    faults += [f"{resets} resets, though everything was there"] if resets else []
    faults += ["no socket had to resume"] if not resumed else []
    faults += [f"p99 was {p99} ms"] if p99 is None or p99 > PROMPT_MS else []
    return {"faults": faults, "sockets": len(listeners), "messages": messages, "deliveries": len(delays), "gaps": gaps,
            "missed": sorted(set[int]().union(*missed))[:10], "foreign": foreign, "resumed": resumed,
            "p99_ms": p99}  # fmt: skip
