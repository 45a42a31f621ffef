"""The server's side of live sockets: frames that were encoded once go straight to the transport.

Once a socket is admitted no request stays behind it: what it says and its end are told to whoever attends to it.
"""

from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

OUTLET = "floyo.outlet"
LINGER_SECONDS = 5.0


class Attendant(Protocol):
    """Who attends to a socket."""

    def hear(self, message: bytes) -> None:
        """What the other side says."""

    def leave(self) -> None:
        """The connection is gone."""


class _Nobody:
    """In the place of what only a request would need."""

    def put_nowait(self, _message: Any) -> None:
        """Nobody receives."""

    def cancel(self) -> None:
        """Nothing is to be cancelled."""


_NOBODY: Any = _Nobody()


class LiveProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which is also the outlet of a live reader; it stands among the extensions of its scope."""

    attendant: Attendant | None = None

    def handle_connect(self, event: Any) -> None:
        """After the handshake was understood."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions: Any = self.scope["extensions"]
            extensions[OUTLET] = self

    def attend(self, attendant: Attendant) -> None:
        """From now on the socket lives without its request, which may return; what that held is given back."""
        self.attendant = attendant
        self.close_timer = _NOBODY  # or the connection would be closed when the request returns

    async def run_asgi(self) -> None:
        """The request: admission, and no more."""
        await super().run_asgi()
        if self.attendant is None:
            return
        self.close_timer = None
        del self.request, self.response
        self.scope, self.queue = {}, _NOBODY  # type: ignore[typeddict-item]
        if self.disconnected:
            self._leave()

    async def send(self, message: Any) -> None:
        """From the request; an answer instead of the upgrade ends the handshake too, which uvicorn logs as an error."""
        await super().send(message)
        self.handshake_complete |= message["type"] == "websocket.http.response.body"

    def send_receive_event_to_app(self) -> None:
        """A message is whole."""
        if self.attendant is None:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        if not self.close_sent:
            self.attendant.hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, wanted or not."""
        super().connection_lost(exc)
        self._leave()

    def _leave(self) -> None:
        if self.attendant is not None:
            self.attendant.leave()

    def put(self, frames: bytes) -> int:
        """Sends whole frames by one system call; how many bytes wait to be sent."""
        if self.close_sent or self.disconnected:
            return 0
        self.transport.write(frames)
        return self.transport.get_write_buffer_size()

    async def ready(self) -> None:
        """Returns when most of what was sent has left."""
        await self.writable.wait()

    def finish(self, code: int, reason: str) -> None:
        """Says why and closes; what a reader has not taken after some seconds is thrown away with the connection."""
        if self.close_sent or self.disconnected:
            return
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
        self._leave()
