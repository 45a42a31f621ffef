"""The few things that a raw ASGI route needs: the caller's token, the whole body, an answer, or to hand it all on."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from starlette.exceptions import HTTPException

from shared import errors, log, tracing

_log = log.get(__name__)


def bearer(scope: Any) -> str:
    """The bearer token of a request, or an empty text."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return _token(value)
    return ""


@lru_cache(1_000)
def _token(given: bytes) -> str:
    scheme, _, token = given.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@lru_cache(1_000)
def media_type(given: bytes) -> bytes:
    """The media type that a Content-Type names, without its parameters."""
    return given.partition(b";")[0].strip().lower()


async def read(receive: Any) -> bytes | None:
    """The whole body; None when the caller went away before its end. Raises TooLarge beyond the bound on bodies."""
    parts: list[bytes] = []
    while True:
        try:
            message = await receive()
        except HTTPException as error:
            raise errors.TooLarge("content-too-large", str(error.detail)) from None
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def replay(body: bytes, receive: Any) -> Any:
    """A `receive` that gives the body once more, for the application behind."""
    first = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return first.pop() if first else await receive()

    return again


async def answer(send: Any, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    """Sends JSON, or a problem."""
    media = b"application/json" if status < 400 else b"application/problem+json"
    sent = [(b"content-type", media), (b"content-length", b"%d" % len(body))]
    sent += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Any, error: errors.FloyoError) -> None:
    """Sends an error as a problem, and notes it if it is a failure."""
    note(error)
    await tell(send, error)


def note(error: errors.FloyoError) -> None:
    """Logs a failure of this side with its cause; what callers do wrong they are told, nobody else."""
    if error.status >= 500:
        _log.warning("request-failed", problem=error.slug, cause=repr(error.__cause__))


async def tell(send: Any, error: errors.FloyoError) -> None:
    """Sends an error as a problem."""
    await answer(send, error.status, orjson.dumps(error.body(tracing.trace_id())), error.headers)
