"""The policies of requests by their class: how many a minute, for whom they are counted, and how long one may take.

FLOYO_LIMITS overrides the counts by name, such as {"write-key": 600, "auth-address": 120}.
"""

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from shared import degraded
from shared.identity import Principal
from shared.ratelimit import Group, Limit, Limiter

WINDOW = 60
SCOPES = ("organization", "key", "user", "address")
# They stop floods and guessing, not work: a whole machine of two cores does less than one organisation may ask for.
PER_MINUTE = {
    #          organization        key       user    address
    "read": (    1_200_000,   600_000,   600_000,   120_000),
    "write": (     600_000,   300_000,   300_000,    60_000),
    "ingest": (  6_000_000, 3_000_000, 3_000_000,   600_000),
    "run": (     1_200_000,   600_000,   600_000,    60_000),
    "auth": (       60_000,    30_000,    30_000,     6_000),
}  # fmt: skip
# Seconds until nobody waits for a request any more; `run` may itself wait a minute for a run's end, or call a target.
SECONDS = {"read": 15.0, "write": 15.0, "ingest": 15.0, "run": 75.0, "auth": 15.0}
# Files of any length, and an exchange with somebody outside.
LONG_SECONDS = 600.0
NAMES = frozenset(f"{kind}-{scope}" for kind in PER_MINUTE for scope in SCOPES)
STANDING = "floyo.standing"
_LONG = ("/export", "/upload", "/authorize/complete")
_KINDS = (
    ("auth", re.compile(r"/auth/")),
    ("ingest", re.compile(r"/events(/batch|/upload)?$|/hooks/")),
    ("run", re.compile(r"/runs\b|/actions/|/test$|/apply$")),
)


class Gate:
    """Where every public request is counted once for each limit that concerns it."""

    def __init__(self, limiter: Limiter, overrides: Mapping[str, int]) -> None:
        self.limiter = limiter
        self._limits = {
            f"{kind}-{scope}": Limit(f"{kind}-{scope}", overrides.get(f"{kind}-{scope}", quota), WINDOW)
            for kind, quotas in PER_MINUTE.items()
            for scope, quota in zip(SCOPES, quotas, strict=True)
        }
        self._group = lru_cache(10_000)(self._make_group)

    async def admit(self, scope: Any, principal: Principal | None = None, *, kind: str | None = None) -> None:
        """Counts a request for its caller and organisation, or for its address; raises TooManyRequests.

        What is left stays in the ASGI scope, where the middleware finds it for the answer's headers.
        """
        if STANDING in scope:
            return
        kind = kind or kind_of(scope.get("method", "GET"), getattr(scope.get("route"), "path", scope["path"]))
        whom = _address(scope) if principal is None else principal.counted
        scope[STANDING] = await self.limiter.ask_all(self._group(kind, whom))
        if self.limiter.backend != "redis":
            degraded.note("limits")

    def _make_group(self, kind: str, whom: tuple[tuple[str, str], ...]) -> Group:
        return tuple((self._limits[f"{kind}-{name}"], key) for name, key in whom)


def _address(scope: Any) -> tuple[tuple[str, str], ...]:
    return (("address", network_of((scope.get("client") or ("",))[0])),)


def seconds_for(method: str, path: str) -> float:
    """How long a request may take, by its method and its path."""
    return LONG_SECONDS if path.endswith(_LONG) else SECONDS[kind_of(method, path)]


def kind_of(method: str, path: str) -> str:
    """The class of a route, by its method and its path, filled or not."""
    if method != "POST":
        return "read" if method in {"GET", "HEAD"} else "write"
    return _kind_of_post(path)


@lru_cache(10_000)
def _kind_of_post(path: str) -> str:
    return next((kind for kind, pattern in _KINDS if pattern.search(path)), "write")


@lru_cache(10_000)
def network_of(host: str) -> str:
    """What one subscriber holds: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network(f"{address}/64", strict=False).network_address)
