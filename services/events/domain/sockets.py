"""One live reader: what waits to be sent to it, and why it must go."""

import asyncio
from collections import deque
from uuid import UUID

from services.events.domain.positions import Position
from shared.identity import Principal

MAX_PENDING = 1_048_576
EXPIRED = 4401
REFUSED = 4403
FLOOD = 1008
TOO_SLOW = 1013


class Client:
    """A socket's queue; whoever offers never waits, and a reader that lets a mebibyte pile up is cut."""

    __slots__ = ("_drained", "_pending", "_size", "_woken", "cursors", "ended", "finished", "principal", "token")

    def __init__(self, principal: Principal, token: str) -> None:
        self.principal = principal
        self.token = token
        self.cursors: dict[str, Position] = {}
        self.ended: tuple[int, str] | None = None
        self._pending: deque[str] = deque()
        self._size = 0
        self._woken = asyncio.Event()
        self._drained = asyncio.Event()
        self.finished = asyncio.Event()

    @property
    def organization_id(self) -> UUID:
        """The one organisation whose facts it may hear."""
        return self.principal.organization_id

    def offer(self, frame: str) -> None:
        """Queues a frame, or cuts the reader."""
        if self.ended is not None:
            return
        self._size += len(frame)
        if self._size > MAX_PENDING:
            self.end(TOO_SLOW, "reading too slowly")
            return
        self._pending.append(frame)
        self._woken.set()

    def end(self, code: int, reason: str) -> None:
        """The socket must close; the first reason counts."""
        if self.ended is None:
            self.ended = (code, reason)
        self._woken.set()
        self._drained.set()
        self.finished.set()

    async def take(self) -> str | None:
        """The next frame, when there is one; None when the socket must close."""
        while not self._pending:
            if self.ended is not None:
                return None
            self._woken.clear()
            await self._woken.wait()
        return self._pending.popleft()

    def sent(self, frame: str) -> None:
        """Makes room again."""
        self._size -= len(frame)
        if self._size < MAX_PENDING // 4:
            self._drained.set()

    async def drained(self) -> None:
        """Waits until most of what was offered is sent."""
        while self._size >= MAX_PENDING // 4 and self.ended is None:
            self._drained.clear()
            await self._drained.wait()
