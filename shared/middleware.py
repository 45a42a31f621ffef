"""One pure ASGI middleware: trace id, safe headers, strict requests, and a figure for every answer."""

import math
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException

from shared import asgi, degraded, errors, httpclient, limits, log, metrics, tracing
from shared.ratelimit import Standing
from shared.testing import faults

MAX_BODY = 1_048_576
MAX_PATIENCE = 60.0

_READABLE = (
    b"application/json", b"application/x-ndjson", b"application/yaml", b"application/x-www-form-urlencoded",
    b"multipart/form-data", b"text/csv",
)  # fmt: skip
_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE = (b"cache-control", b"no-store")

_LEAKED: list[bytearray] = []

_log = log.get(__name__)


class RequestMiddleware:
    """Wraps HTTP requests; WebSockets only get their trace id."""

    def __init__(self, app: Any, *, service: str, body_limits: Mapping[str, int]) -> None:
        self._app = app
        self._service = service
        self._body_limits = body_limits

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One ASGI call."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers, path = dict(scope["headers"]), scope["path"]
        sibling = path.startswith("/internal/")
        address = None if sibling else (scope.get("client") or (None,))[0]
        trace_id = tracing.start(headers.get(b"traceparent", b"").decode("latin-1"), address)
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        seconds = _patience(headers.get(httpclient.TIMEOUT)) if sibling else limits.seconds_for(scope["method"], path)
        tracing.bound(seconds)
        started = time.perf_counter()
        answered = False

        def answer(message: Any) -> Any:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message["headers"] = _completed(message["headers"], trace_id, scope.get(limits.STANDING))
                self._count(scope, message["status"], time.perf_counter() - started)
            return send(message)

        limit = self._body_limits.get(path, MAX_BODY)
        if faults.active("leak"):
            _LEAKED.append(bytearray(16_384))
        try:
            refusal = _refusal(scope, headers, limit)
            if refusal is None:
                await self._app(scope, _bounded(receive, limit), answer)
            else:
                await asgi.refuse(answer, refusal)
        except Exception as error:
            _log.exception("request-crashed", error=repr(error))
            if answered:
                raise
            await asgi.tell(answer, _CRASHED)

    def _count(self, scope: Any, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        requests, durations = _figures(self._service, path, method, status)
        requests.inc()
        durations.observe(seconds)


def _patience(given: bytes | None) -> float:
    """Seconds that a sibling says it waits, as far as they can be believed; infinite if it says nothing."""
    if given is None:
        return math.inf
    try:
        return max(0.0, min(MAX_PATIENCE, float(given)))
    except ValueError:
        return MAX_PATIENCE


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@cache
def _figures(service: str, path: str, method: str, status: int) -> tuple[Any, Any]:
    """Finding a metric by its labels costs more than counting; there are as many as labels have values."""
    duration = metrics.REQUEST_SECONDS.labels(service, path)
    return metrics.REQUESTS.labels(service, path, method, str(status)), duration


def _completed(present: Any, trace_id: str, standing: Standing | None) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, in lower case as ASGI has them, with those that every answer carries."""
    names = dict(present)
    headers = [*present, *_SAFE, (b"x-trace-id", trace_id.encode())]
    headers += [header for header in (_POLICY, _NO_STORE) if header[0] not in names]
    if missing := degraded.noted():
        headers.append((degraded.HEADER.lower().encode(), ", ".join(missing).encode()))
    if standing is not None and b"ratelimit" not in names:
        headers += standing.lines
    return headers


_CRASHED = errors.FloyoError("internal", "Something went wrong here; the trace id finds it in our logs.")


def _bounded(receive: Any, limit: int) -> Any:
    """Counts what arrives, whatever Content-Length said; FastAPI lets an HTTPException through."""
    seen = 0

    async def bounded() -> Any:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, f"The body is larger than {limit} bytes.")
        return message

    return bounded


def _refusal(scope: Any, headers: dict[bytes, bytes], limit: int) -> errors.FloyoError | None:
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit:
        return errors.TooLarge("content-too-large", f"The body is larger than {limit} bytes.")
    query = scope["query_string"]
    names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)] if query else []
    if len(names) != len(set(names)):
        repeated = sorted({name for name in names if names.count(name) > 1})
        fields = [errors.FieldError(f"/query/{name}", "Stands more than once.") for name in repeated]
        return errors.Invalid("invalid", "A query parameter stands more than once.", errors=fields)
    if (length == b"0" and b"transfer-encoding" not in headers) or scope["method"] not in {"POST", "PUT", "PATCH"}:
        return None
    # A CloudEvent in binary mode brings its own media type.
    if b"ce-specversion" in headers or _is_readable(headers.get(b"content-type", b"")):
        return None
    return errors.Unsupported("unsupported-media-type", "Send application/json, or what this route documents.")


@lru_cache(500)
def _is_readable(content_type: bytes) -> bool:
    media = asgi.media_type(content_type)
    return media in _READABLE or (media.startswith(b"application/") and media.endswith((b"+json", b"+yaml")))
