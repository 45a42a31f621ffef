"""A loader that costs little: kept-alive connections that ask as fast as they are answered."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

GOOD = frozenset({b"200", b"201"})
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Body = Callable[[int, int], bytes]


@dataclass
class Load:
    """Requests to one path; `latencies` are seconds, in the order of the answers.

    What is not answered 200 or 201, or by a body that `accepts` refuses, has failed; `failed` counts what came instead.
    """

    port: int
    path: str
    headers: dict[str, str]
    accepts: Callable[[bytes], bool] = lambda _: True
    method: str = "POST"
    latencies: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        """How many have failed."""
        return self.failed.total()

    async def go(self, seconds: float, body: Body, connections: int = 64) -> float:
        """Requests a second over some seconds; `body(connection, count)` makes each."""
        return await self._run(body, connections, until=time.perf_counter() + seconds)

    async def each(self, bodies: list[bytes], connections: int = 4) -> float:
        """Requests a second while every body is posted once."""
        shares = [bodies[place::connections] for place in range(connections)]
        return await self._run(lambda number, count: shares[number][count], connections, most=[*map(len, shares)])

    async def _run(self, body: Body, connections: int, until: float = float("inf"), most: Any = None) -> float:
        self.latencies.clear()
        self.failed.clear()
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        links = []
        for number in range(connections):
            link = Link(self, number, body, until, most[number] if most else 1 << 60)
            await loop.create_connection(lambda link=link: link, "127.0.0.1", self.port)  # type: ignore[misc]
            links.append(link)
        await asyncio.gather(*(link.done for link in links))
        return len(self.latencies) / (time.perf_counter() - began)

    def head(self) -> bytes:
        """What every request begins with, up to the value of Content-Length."""
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"{head}Content-Length: ".encode()

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return round(ordered[int(len(ordered) * share)] * 1_000, 2) if ordered else 0.0


class Link(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, load: Load, number: int, body: Body, until: float, most: int) -> None:
        self._load, self._number, self._body, self._until, self._most = load, number, body, until, most
        self._head = load.head()
        self._count = 0
        self._received = b""
        self._begins = self._wanted = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Posts the first."""
        self._transport = transport
        self._post()

    def _post(self) -> None:
        self._began = time.perf_counter()
        if self._began >= self._until or self._count >= self._most:
            self._transport.close()
            return
        raw = self._body(self._number, self._count)
        self._count += 1
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(raw), raw))

    def data_received(self, data: bytes) -> None:
        """Takes a piece of an answer; posts the next when it is whole."""
        self._received += data
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._received, 0, end)
            self._begins = end + 4
            self._wanted = self._begins + (int(length[1]) if length else 0)
        if len(self._received) < self._wanted:
            return
        self._load.latencies.append(time.perf_counter() - self._began)
        status, body = self._received[9:12], self._received[self._begins :]
        if status not in GOOD or not self._load.accepts(body):
            self._load.failed[f"{status.decode()} {body[:60].decode(errors='replace')}"] += 1
        self._received, self._wanted = b"", 0
        self._post()

    def connection_lost(self, error: Exception | None) -> None:
        """The end, wanted or not."""
        if error is not None:
            self._load.failed[repr(error)] += 1
        if not self.done.done():
            self.done.set_result(None)
