"""One live reader: what it has seen, where its frames go, and why it must leave."""

from typing import Protocol
from uuid import UUID

from services.events.domain.positions import Position
from shared.identity import Principal

MAX_PENDING = 1_048_576
EXPIRED = 4401
REFUSED = 4403
FLOOD = 1008
TOO_SLOW = 1013


class Outlet(Protocol):
    """A socket as the server holds it."""

    def put(self, frames: bytes) -> int:
        """Sends whole frames without waiting; how many bytes wait to be sent."""

    async def ready(self) -> None:
        """Returns when most of them have left."""

    def finish(self, code: int, reason: str) -> None:
        """Closes the socket, and says why."""


class Client:
    """A socket; whoever offers never waits, and a reader that lets a mebibyte pile up is cut.

    `held` are positions and frames of channels, by their names, on which it is still catching up.
    """

    __slots__ = ("_outlet", "cursors", "ended", "held", "principal", "token")

    def __init__(self, principal: Principal, token: str, outlet: Outlet) -> None:
        self.principal = principal
        self.token = token
        self.cursors: dict[str, Position] = {}
        self.held: dict[str, list[tuple[Position, bytes]]] = {}
        self.ended: tuple[int, str] | None = None
        self._outlet = outlet

    @property
    def organization_id(self) -> UUID:
        """The one organisation whose facts it may hear."""
        return self.principal.organization_id

    def offer(self, frames: bytes) -> None:
        """Sends whole frames, or cuts the reader."""
        if frames and self.ended is None and self._outlet.put(frames) > MAX_PENDING:
            self.end(TOO_SLOW, "reading too slowly")

    def end(self, code: int, reason: str) -> None:
        """The socket must close; the first reason counts."""
        if self.ended is None:
            self.ended = (code, reason)
            self._outlet.finish(code, reason)

    async def drained(self) -> None:
        """Waits until most of what was offered is sent."""
        await self._outlet.ready()
