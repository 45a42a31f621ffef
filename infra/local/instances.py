"""Processes of the services: their reserved ports, how they are forked and how one sees that they are ready."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.ports import Reservation
from infra.local.processes import Forks, Handle

PROBE_SECONDS = 2.0
MAX_LOG_BYTES = 20_000_000


@dataclass(frozen=True)
class Plan:
    """How one forked process is made: what it calls, with which variables, on which ports.

    The variables are asked for at each start, so that a restart brings rotated secrets into force. It is forked once
    the code of its `stage` is read, or at once without one.
    """

    instance: str
    target: str
    arguments: Sequence[Any]
    environment: Callable[[], Mapping[str, str]]
    log: Path
    reservations: Sequence[Reservation]
    stage: str | None = None

    async def launch(self, forks: Forks) -> Handle:
        """Fork it; its sockets and its log are handed over and closed here."""
        if self.stage is not None:
            await forks.read(self.stage)
        output = open_log(self.log)
        listeners = [reservation.listener() for reservation in self.reservations]
        try:
            descriptors = [output, *(listener.fileno() for listener in listeners)]
            return await forks.start(self.instance, self.target, self.arguments, self.environment(), descriptors)
        finally:
            os.close(output)
            for listener in listeners:
                listener.close()


def http_probe(port: int, path: str) -> Callable[[], Awaitable[bool]]:
    """Whether GET `path` on `port` answers 200 in good time."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()

    async def probe() -> bool:
        return (await _exchange(port, request)).startswith(b"HTTP/1.1 200")

    return probe


def routed_probe(gateway: int, path: str) -> Callable[[], Awaitable[bool]]:
    """Whether the gateway has a server to send `path` to; asks for what that server refuses without any work."""
    request = f"OPTIONS {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()

    async def probe() -> bool:
        answer = await _exchange(gateway, request)
        return answer.startswith(b"HTTP/1.1 ") and not answer.startswith(b"HTTP/1.1 50")

    return probe


def greeting_probe(port: int, greeting: bytes, request: bytes = b"") -> Callable[[], Awaitable[bool]]:
    """Whether the server on `port` greets, or answers `request`, as expected."""

    async def probe() -> bool:
        return (await _exchange(port, request)).startswith(greeting)

    return probe


async def _exchange(port: int, request: bytes) -> bytes:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                return await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""


def open_log(path: Path) -> int:
    """A descriptor that appends to a log; what has grown too long begins anew, and one predecessor is kept."""
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
