"""Many sockets that cost little: each counts the frames that come, by a mark that every message carries once."""

import asyncio
import base64
import time
from dataclasses import dataclass, field
from typing import Any

MARK = b"^"
PING = 0x89
_NONCE = base64.b64encode(b"sixteen bytes ok").decode()


@dataclass
class Crowd:
    """Sockets at one path; `greetings` are sent in turn, each after the server has said something."""

    port: int
    path: str
    headers: dict[str, str]
    greetings: list[bytes]
    links: "list[Ear]" = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    frames: int = 0
    lost: int = 0

    async def open(self, count: int, at_once: int = 50) -> None:
        """Returns when every socket has been greeted to the end; those that are turned away try again for a minute."""
        loop = asyncio.get_running_loop()
        until = loop.time() + 60
        while len(self.links) < count:
            ears = [Ear(self) for _ in range(min(at_once, count - len(self.links)))]
            for ear in ears:
                await loop.create_connection(lambda ear=ear: ear, "127.0.0.1", self.port)  # type: ignore[misc]
            waiting = asyncio.gather(*(ear.ready for ear in ears), return_exceptions=True)
            answers = await asyncio.wait_for(waiting, 30)
            self.links += [ear for ear, answer in zip(ears, answers, strict=True) if answer is None]
            refused = [answer for answer in answers if isinstance(answer, BaseException)]
            if refused:
                if loop.time() > until:
                    raise refused[0]
                await asyncio.sleep(0.5)
        self.lost = 0

    async def hear(self, frames: int, seconds: float) -> float:
        """Waits until so many frames have come in all since `clear`; seconds since then, or infinity."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            if self.frames >= frames:
                return self.times[-1] - self.began
            await asyncio.sleep(0.002)
        return float("inf")

    def clear(self) -> None:
        """Counts anew."""
        self.frames = 0
        self.times.clear()
        self.began = time.perf_counter()

    def close(self) -> None:
        """Every socket."""
        for ear in self.links:
            ear.transport.close()


class Ear(asyncio.Protocol):
    """One socket."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._greetings = iter(crowd.greetings)
        self._upgraded: bool | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Asks for the upgrade."""
        self.transport = transport
        head = f"GET {self._crowd.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_NONCE}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self._crowd.headers.items())
        transport.write(f"{head}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Counts, once it has been greeted."""
        if self._upgraded is None:
            self._upgraded = data.startswith(b"HTTP/1.1 101 ")
            if not self._upgraded:
                self.ready.set_exception(ConnectionError(data[:60].decode("latin-1")))
                self.transport.close()
        if not self.ready.done():
            greeting = next(self._greetings, None)
            if greeting is None:
                self.ready.set_result(None)
            else:
                self.transport.write(bytes([0x81, 0x80 | len(greeting), 0, 0, 0, 0]) + greeting)
            return
        found = 0 if data[0] == PING else data.count(MARK)  # what a ping carries is random
        if found:
            self._crowd.frames += found
            self._crowd.times += [time.perf_counter()] * found

    def connection_lost(self, error: Exception | None) -> None:
        """Too soon, perhaps."""
        self._crowd.lost += 1
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("closed before it was greeted"))
