"""W3C Trace Context, and how long somebody waits: both go from the request through calls to the effect."""

import math
import random
import re
import secrets
import time
from contextvars import ContextVar

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$")
_trace_id: ContextVar[str] = ContextVar("trace_id", default="")
_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)
_address: ContextVar[str | None] = ContextVar("address", default=None)


def trace_id() -> str:
    """The current trace id: 32 hexadecimal digits, made on first use."""
    return _trace_id.get() or start(None)


def address() -> str | None:
    """From where the public request under way came; None for the work of services."""
    return _address.get()


def start(traceparent: str | None, address: str | None = None) -> str:
    """Continues the trace of a `traceparent` header, or starts one when it is absent or malformed."""
    _address.set(address)
    match = _TRACEPARENT.match(traceparent) if traceparent else None
    value = match[1] if match and match[1] != "0" * 32 else f"{random.getrandbits(128):032x}"
    _trace_id.set(value)
    return value


def bound(seconds: float) -> None:
    """So long the caller of the present work waits for it."""
    _ends_at.set(time.monotonic() + seconds)


def remaining() -> float:
    """Seconds that somebody still waits for the present work; infinite where nobody does."""
    return _ends_at.get() - time.monotonic()


def resume(value: str | None) -> None:
    """Continues a trace whose bare id was stored beside a row."""
    _trace_id.set(value or secrets.token_hex(16))


def traceparent() -> str:
    """The header to send on with an outgoing call."""
    return f"00-{trace_id()}-{secrets.token_hex(8)}-01"
