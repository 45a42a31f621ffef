"""Calls to sibling services on their internal ports, with service tokens and kept-alive connections."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson

from shared import errors, tracing
from shared.servicetokens import ServiceTokens

CONNECT_TIMEOUT = 1.0
DEFAULT_TIMEOUT = 5.0
TIMEOUT = b"floyo-timeout"


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


class Siblings:
    """One pool of connections to every sibling."""

    def __init__(self, directory: Directory, tokens: ServiceTokens) -> None:
        self._directory = directory
        self._tokens = tokens
        self._client: aiohttp.ClientSession | None = None

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

        A sibling's problem rises as Remote with its status and slug. An instance that refuses the connection is
        passed over for the next; once a request was sent, a failure is Unavailable, because it may have had its effect.
        Nothing takes longer than whoever waits for the present work has time, and the sibling is told how long that is.
        """
        timeout = min(timeout, tracing.remaining())
        if timeout <= 0:
            raise errors.Unavailable("deadline-exceeded", "Nobody waits for this any more.")
        token = self._tokens.mint(service, method, path, organization_id=organization_id, subject=subject)
        headers = {"Authorization": f"Bearer {token}", "traceparent": tracing.traceparent()}
        headers[TIMEOUT.decode()] = f"{timeout:.3f}"
        body = None if json is None else orjson.dumps(json, default=str)
        if body is not None:
            headers["Content-Type"] = "application/json"
        for base in self._directory.urls(service):
            try:
                async with self._session().request(
                    method,
                    base + path,
                    params=query,
                    data=body,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT),
                    allow_redirects=False,
                ) as response:
                    return _decode(service, response.status, await response.read())
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError):
                break
        raise errors.Unavailable("sibling-unavailable", f"{service} does not answer.")

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


def _decode(service: str, status: int, raw: bytes) -> Any:
    try:
        body = orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        raise errors.Unavailable("sibling-unavailable", f"{service} answered something unreadable.") from None
    if status < 400:
        return body
    if not isinstance(body, dict) or "type" not in body:
        raise errors.Unavailable("sibling-unavailable", f"{service} answered {status}.")
    raise _problem(status, body)


def _problem(status: int, body: dict[str, Any]) -> errors.FloyoError:
    known = {"type", "title", "status", "detail", "trace_id", "errors"}
    return errors.Remote(
        status,
        str(body["type"]).removeprefix(errors.TYPE_PREFIX),
        str(body.get("detail", "")),
        title=str(body.get("title", "")),
        errors=[errors.FieldError(item["pointer"], item["detail"]) for item in body.get("errors", ())],
        extensions={name: value for name, value in body.items() if name not in known},
    )
