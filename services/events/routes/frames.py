"""The server's side of live sockets: frames that were encoded once go straight to the transport."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

OUTLET = "floyo.outlet"
LINGER_SECONDS = 5.0


class LiveProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which is also the outlet of a live reader; it stands among the extensions of its scope."""

    def handle_connect(self, event: Any) -> None:
        """After the handshake was understood."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions: Any = self.scope["extensions"]
            extensions[OUTLET] = self

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody needs the outlet any more."""
        super().connection_lost(exc)
        if hasattr(self, "scope"):
            self.scope["extensions"].pop(OUTLET, None)

    def slim(self) -> None:
        """Gives back what only the handshake needed."""
        del self.request, self.response
        self.scope["headers"] = []

    def put(self, frame: bytes) -> int:
        """Sends a whole frame; how many bytes wait to be sent."""
        if self.close_sent or self.disconnected:
            return 0
        self.transport.write(frame)
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
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
