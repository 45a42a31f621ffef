"""Calls over HTTP: bearer token, timeouts always, problems as exceptions, retries of what may safely be repeated."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from client import credentials, problems, wire
from client.credentials import Credentials, Store

ATTEMPTS = 4
LONGEST_WAIT = 60.0
_FIRST_WAIT = 0.25
_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_TEMPORARY = frozenset({429, 502, 503, 504})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Transport:
    """One connection pool to one Floyo, with the credentials it uses."""

    def __init__(
        self,
        url: str,
        store: Store,
        *,
        timeout: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self.store = store
        self._timeout = timeout
        self._sleep = sleep
        self._http = _connect(self.url)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
        anonymous: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """The decoded answer, None for 204; raises FloyoProblem.

        `idempotent` says that this POST or PATCH may be sent again; an Idempotency-Key among `headers` says it too.
        """
        sent = dict(headers or {})
        again = idempotent or method in _SAFE or "Idempotency-Key" in sent
        wanted = {name: value for name, value in (params or {}).items() if value is not None}
        read_timeout = self._timeout if timeout is None else timeout
        limits = httpx2.Timeout(read_timeout, connect=min(5.0, self._timeout), pool=5.0)
        options: dict[str, Any] = {"params": wanted, "timeout": limits}
        if json is not None:
            sent.setdefault("Content-Type", "application/json")
            options["content"] = wire.encode(json)
        response = self._persist(method, path, sent, options, anonymous=anonymous, again=again)
        return _decoded(response)

    def token(self) -> str | None:
        """The token to use now, renewed when it is about to expire."""
        kept = self.store.load()
        if kept is not None and kept.stale:
            kept = self._renew(kept)
        return kept.token if kept else None

    def _persist(
        self, method: str, path: str, headers: dict[str, str], options: dict[str, Any], *, anonymous: bool, again: bool
    ) -> httpx2.Response:
        renewed = False
        for attempt in range(1, ATTEMPTS + 1):
            token = None if anonymous else self.token()
            outcome = self._once(method, path, {**headers, **_bearer(token)}, options)
            if isinstance(outcome, httpx2.Response):
                if outcome.status_code < 400:
                    return outcome
                if outcome.status_code == 401 and token and not renewed and (kept := self.store.load()):
                    renewed = True
                    if kept.refresh_token:
                        self._renew(kept)
                        continue
            wait = _wait(outcome, attempt)
            if not again or wait is None or attempt == ATTEMPTS:
                raise problems.read(outcome) if isinstance(outcome, httpx2.Response) else outcome
            self._sleep(wait)
        raise problems.Unreachable(f"{self.url} kept failing.")

    def _once(
        self, method: str, path: str, headers: dict[str, str], options: dict[str, Any]
    ) -> httpx2.Response | problems.Unreachable:
        try:
            return self._http.request(method, path, headers=headers, **options)
        except httpx2.TimeoutException:
            return problems.Unreachable(f"{self.url} did not answer in time.")
        except httpx2.TransportError as error:
            return problems.Unreachable(f"{self.url} cannot be reached ({error or type(error).__name__}).")

    def _renew(self, stale: Credentials) -> Credentials:
        """Spend the refresh token, unless another process was quicker; a refused one is forgotten."""
        with self.store.lock():
            kept = self.store.load()
            if kept is None or kept.token != stale.token:
                return kept or stale
            body = {"refresh_token": kept.refresh_token}
            try:
                pair = self.call("POST", "/auth/refresh", json=body, anonymous=True)
            except problems.FloyoProblem as problem:
                if problem.status in {400, 401, 403}:
                    self.store.save(None)
                raise
            fresh = credentials.from_pair(pair)
            self.store.save(fresh)
            return fresh


def _connect(url: str) -> httpx2.Client:
    try:
        return httpx2.Client(
            base_url=url + "/api/v1",
            follow_redirects=False,
            # Loading certificates takes half a second, which plain HTTP has no use for.
            verify=url.startswith("https:"),
            # A proxy of the environment could not reach a stack on this machine.
            trust_env=urlsplit(url).hostname not in _LOOPBACK,
        )
    except (httpx2.InvalidURL, ValueError) as error:
        raise problems.Unreachable(f"{url!r} is no address: {error}.") from None


def _decoded(response: httpx2.Response) -> Any:
    """The JSON of an answer; something else, such as a page of a proxy in between, is a problem."""
    if response.status_code == 204 or (response.status_code < 300 and not response.content):
        return None
    try:
        if response.status_code < 300:
            return response.json()
    except ValueError:
        pass
    slug, what = "unexpected-answer", f"{response.status_code} {response.headers.get('content-type', '')}".strip()
    raise problems.FloyoProblem(slug, f"{response.url} answered {what}: is this Floyo?", status=response.status_code)


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _wait(outcome: httpx2.Response | problems.Unreachable, attempt: int) -> float | None:
    """Seconds until another attempt makes sense, None when none does."""
    backoff: float = _FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311
    if not isinstance(outcome, httpx2.Response):
        return backoff
    if outcome.status_code not in _TEMPORARY:
        return None
    asked = outcome.headers.get("retry-after", "")
    if not asked.isdigit():
        return backoff
    return float(asked) if float(asked) <= LONGEST_WAIT else None
