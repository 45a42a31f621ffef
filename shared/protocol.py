"""uvicorn's HTTP protocol, which writes a whole answer at once and keeps one idle timer a connection."""

from functools import lru_cache
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

# What a header's value may consist of, as uvicorn has it: no controls but the tab.
_PRINTABLE = bytes({9, *range(0x20, 0x7F), *range(0x80, 0x100)})
_NO_BODY = frozenset({204, 304})


class Proxied(ProxyHeadersMiddleware):
    """Takes the caller's address from the gateway, and remembers what it made of a header."""

    def __init__(self, app: Any, trusted: Any) -> None:
        super().__init__(app, trusted)
        self._client_of = lru_cache(500)(self._read)

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """One ASGI call, to be awaited; as uvicorn's own, but for the scheme, which nobody asks for."""
        client = scope.get("client")
        if client is not None and client[0] in self.trusted_hosts:
            said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            scope["client"] = (said and self._client_of(b", ".join(said))) or client
        return self.app(scope, receive, send)

    def _read(self, said: bytes) -> tuple[str, int] | None:
        host, port = self.trusted_hosts.get_trusted_client_address(said.decode("latin-1"))
        return (host, port) if host else None


class Cycle(RequestResponseCycle):
    """One request; the head of its answer waits for the body, so that what is whole leaves by one system call."""

    head: Any = None

    async def send(self, message: Any) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start" and not self.response_started:
            self.head = message
            return
        head, self.head = self.head, None
        if head is not None:
            if not message.get("more_body") and self._write_whole(head, message.get("body", b"")):
                return
            await super().send(head)
        await super().send(message)

    def _write_whole(self, head: Any, body: bytes) -> bool:
        """Writes a plain answer of known length; False, and nothing done, when uvicorn had better do it."""
        if self.disconnected or self.flow.write_paused or not self.keep_alive or self.scope["method"] == "HEAD":
            return False
        rendered = _render(head["status"], [*self.default_headers, *head["headers"]], len(body))
        if rendered is None:
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(rendered + body)
        self.message_event.set()
        self.on_response()
        return True


def _render(status: int, headers: list[tuple[bytes, bytes]], length: int) -> bytes | None:
    """The head of an answer; None unless it is plain and says its length rightly."""
    parts = [STATUS_LINE[status]]
    for name, value in headers:
        parts += (_beginning(name), value, b"\r\n")
    parts.append(b"\r\n")
    head = b"".join(parts)
    unprintable = head.translate(None, _PRINTABLE)
    says_length = head.count(b"\r\ncontent-length: ") == 1 and b"\r\ncontent-length: %d\r\n" % length in head
    return head if says_length and unprintable == b"\r\n" * (len(headers) + 2) and status not in _NO_BODY else None


@lru_cache(1_000)
def _beginning(name: bytes) -> bytes:
    """What the line of a header begins with; unprintable for names that steer the connection or are none."""
    lowered = name.lower()
    special = lowered in {b"connection", b"transfer-encoding"} or HEADER_RE.search(name)
    return b"\0" if special else lowered + b": "


class Protocol(HttpToolsProtocol):
    """One connection."""

    _idle_since = 0.0

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.__class__ = Cycle  # uvicorn names the class of its requests nowhere else
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, wanted or not."""
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    def on_response_complete(self) -> None:
        """Goes on with what was pipelined, or waits for the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """A request leaves the timer alone: setting one anew for each would cost more than looking once in a while."""

    def _look_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        idle = self.loop.time() - self._idle_since
        if self.cycle is not None and not self.cycle.response_complete:
            self._look_after(self.timeout_keep_alive)
        elif idle < self.timeout_keep_alive:
            self._look_after(self.timeout_keep_alive - idle)
        elif not self.transport.is_closing():
            self.transport.close()
