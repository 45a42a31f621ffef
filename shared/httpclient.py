"""Calls to sibling services on their internal ports: a token each, a deadline, a breaker for every instance."""

import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson

from shared import errors, log, metrics, tracing
from shared.breaker import Breaker, State
from shared.servicetokens import ServiceTokens

CONNECT_TIMEOUT = 1.0
DEFAULT_TIMEOUT = 5.0
TIMEOUT = b"floyo-timeout"
PATIENT_SECONDS = 0.5
RESET_SECONDS = 2.0
KEPT_BREAKERS = 256

Read = Callable[[aiohttp.ClientResponse], Awaitable[tuple[int, bytes]]]

_log = log.get(__name__)


class _Hurried(TimeoutError):
    """Too little time was left to blame whoever was asked."""


class Directory:
    """Where siblings listen: fixed by settings, or a JSON file that is read again whenever it changes."""

    def __init__(self, fixed: Mapping[str, list[str]], file: Path | None) -> None:
        self._known: dict[str, list[str]] = dict(fixed)
        self._file = file
        self._read_at = -1

    def urls(self, service: str) -> list[str]:
        """Base URLs of every instance in random order; raises Unavailable when there is none."""
        self._refresh()
        found = list(self._known.get(service, ()))
        if not found:
            metrics.SIBLINGS.labels(service, "failed").inc()
            raise errors.Unavailable("sibling-unavailable", f"No instance of {service} is known.")
        random.shuffle(found)
        return found

    def _refresh(self) -> None:
        if self._file is None:
            return
        try:
            changed_at = self._file.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._known = json.loads(self._file.read_text())
                self._read_at = changed_at
        except (OSError, ValueError):
            return  # replaced at this moment: the last good reading serves


async def _whole(answer: aiohttp.ClientResponse) -> tuple[int, bytes]:
    return answer.status, await answer.read()


class _Request:
    """What is asked of whichever instance answers, within `timeout` seconds and whatever time is left anyway."""

    def __init__(
        self,
        method: str,
        path: str,
        token: str,
        *,
        json: Any,
        timeout: float,
        query: Mapping[str, str] | None = None,
        read: Read = _whole,
    ) -> None:
        self.method, self.path, self.query, self.read = method, path, query, read
        self._ends_at = time.monotonic() + min(timeout, tracing.remaining())
        self.headers = {"Authorization": f"Bearer {token}", "traceparent": tracing.traceparent()}
        self.body = None if json is None else orjson.dumps(json, default=str)
        if self.body is not None:
            self.headers["Content-Type"] = "application/json"

    def left(self) -> float:
        """Seconds."""
        return self._ends_at - time.monotonic()


class Siblings:
    """One pool of connections to every sibling.

    An instance that hangs or breaks off five times in a row is passed over for two seconds, then one call tries it.
    """

    def __init__(self, directory: Directory, tokens: ServiceTokens) -> None:
        self._directory = directory
        self._tokens = tokens
        self._client: aiohttp.ClientSession | None = None
        self._breakers: dict[str, Breaker] = {}

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        organization_id: UUID | None = None,
        subject: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109  # passed to the client, which bounds the whole call
    ) -> Any:
        """The decoded JSON answer, or None for an empty one.

        A sibling's problem rises as Remote with its status and slug. An instance that cannot be connected to, or that
        its breaker spares, is passed over for the next; once a request was sent, a failure is Unavailable, because it
        may have had its effect. Nothing takes longer than whoever waits for the present work has time, and the sibling
        is told how long that is.
        """
        token = self._tokens.mint(service, method, path, organization_id=organization_id, subject=subject)
        request = _Request(method, path, token, json=json, timeout=timeout, query=query)
        return _decode(service, *await self._reach(service, request))

    async def lines(
        self,
        service: str,
        path: str,
        *,
        json: Any,
        hear: Callable[[Any], None],
        timeout: float,  # noqa: ASYNC109  # as above
    ) -> None:
        """Give `hear` what a POST answers line by line, each decoded as it comes; problems rise as those of `call`."""
        token = self._tokens.mint(service, "POST", path)
        request = _Request("POST", path, token, json=json, timeout=timeout, read=partial(_by_line, hear))
        _decode(service, *await self._reach(service, request))

    async def _reach(self, service: str, request: _Request) -> tuple[int, bytes]:
        back_in = 1
        for base in self._directory.urls(service):
            if request.left() <= 0:
                raise errors.Unavailable("deadline-exceeded", "Nobody waits for this any more.")
            try:
                answered = await self._breaker(base).call(partial(self._ask, base, request))
            except errors.Unavailable:  # spared by its breaker
                back_in = self._breaker(base).retry_after()
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                continue
            except (aiohttp.ClientError, TimeoutError):
                break
            else:
                metrics.SIBLINGS.labels(service, "answered").inc()
                return answered
        metrics.SIBLINGS.labels(service, "failed").inc()
        raise errors.Unavailable("sibling-unavailable", f"{service} does not answer.", retry_after=back_in)

    async def describe(self) -> dict[str, Any]:
        """{status, spared}; `degraded` while an instance is passed over by its breaker."""
        spared = sorted(base for base, breaker in self._breakers.items() if breaker.state != "closed")
        return {"status": "degraded" if spared else "ok", "spared": spared}

    async def _ask(self, base: str, request: _Request) -> tuple[int, bytes]:
        left = request.left()
        given: dict[str, Any] = {
            "params": request.query,
            "data": request.body,
            "headers": {**request.headers, TIMEOUT.decode(): f"{left:.3f}"},
            "timeout": aiohttp.ClientTimeout(total=left, sock_connect=CONNECT_TIMEOUT),
        }
        try:
            async with self._session().request(
                request.method, base + request.path, allow_redirects=False, **given
            ) as answer:
                return await request.read(answer)
        except TimeoutError as error:
            raise (error if left >= PATIENT_SECONDS else _Hurried()) from None

    def _breaker(self, base: str) -> Breaker:
        if base not in self._breakers:
            if len(self._breakers) >= KEPT_BREAKERS:  # most of these instances are long gone
                self._breakers.clear()
            self._breakers[base] = Breaker(base, reset=RESET_SECONDS, timeout=None, blames=_blames, observer=_report)
        return self._breakers[base]

    async def close(self) -> None:
        """Closes every connection."""
        if self._client is not None:
            await self._client.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=60)
            self._client = aiohttp.ClientSession(
                connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._client


async def _by_line(hear: Callable[[Any], None], answer: aiohttp.ClientResponse) -> tuple[int, bytes]:
    """Status and what is left after the last line; a problem is no line."""
    if answer.status >= 400:
        return await _whole(answer)
    rest = b""
    async for chunk in answer.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            try:
                heard = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise aiohttp.ClientPayloadError("a line is not JSON") from error
            hear(heard)
    return answer.status, rest


def _blames(error: Exception) -> bool:
    """What hangs or breaks off is ill; who refuses a connection costs nothing and is back as soon as it listens."""
    return not isinstance(error, (aiohttp.ClientConnectorError, _Hurried))


def _report(base: str, before: State, after: State) -> None:
    metrics.BREAKERS.labels("sibling", after).inc()
    _log.warning("breaker-changed", target=base, before=before, after=after)


def _decode(service: str, status: int, raw: bytes) -> Any:
    try:
        body = orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        raise errors.Unavailable("sibling-unavailable", f"{service} answered something unreadable.") from None
    if status < 400:
        return body
    if not isinstance(body, dict) or "type" not in body:
        raise errors.Unavailable("sibling-unavailable", f"{service} answered {status}.")
    raise problem(status, body)


def problem(status: int, body: dict[str, Any]) -> errors.FloyoError:
    """A sibling's problem as it rises here: Unavailable for 503, else Remote."""
    known = {"type", "title", "status", "detail", "trace_id", "errors"}
    slug, detail = str(body["type"]).removeprefix(errors.TYPE_PREFIX), str(body.get("detail", ""))
    extensions = {name: value for name, value in body.items() if name not in known}
    if status == errors.Unavailable.status:
        return errors.Unavailable(slug, detail, extensions=extensions)
    fields = [errors.FieldError(item["pointer"], item["detail"]) for item in body.get("errors", ())]
    title = str(body.get("title", ""))
    return errors.Remote(status, slug, detail, title=title, errors=fields, extensions=extensions)
