"""A service behind the real gateway that only writes down what reaches it, and raw requests to ask with."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"


@dataclass
class Upstream:
    """Every request that got through, as the bytes of its head; health checks are not counted."""

    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"GET /health/readiness"):
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(_length(head)))
            writer.write(ANSWER)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def headers(self) -> dict[str, str]:
        """Headers of the last request, by lower-case name."""
        lines = self.heads[-1].decode("latin-1").split("\r\n")[1:-2]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def exchange(port: int, raw: bytes, seconds: float = 5.0) -> bytes:
    """Send bytes as they are and return all that comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), seconds)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def request(method: str, path: str, headers: Sequence[str] = (), body: bytes = b"") -> bytes:
    """A request whose connection ends with the answer."""
    lines = [f"{method} {path} HTTP/1.1", "Host: floyo.example", *headers]
    if not any(line.lower().startswith("connection:") for line in lines):
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def status(answer: bytes) -> int:
    """Status code of the first answer; 0 when the connection was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer else 0
