"""Where a call may go: one reading of URLs, declared ports and hosts, and the exceptions of the operator."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import yarl

from shared import addresses, errors

MAX_URL: Final = 8192
_MAX_PORT: Final = 65535
_AUTHORITY: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\[\]:/?#@\\%]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE
)
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ufeff\\]")
# What needs no quoting goes out as it is spelled, since a signature may cover the very spelling.
_QUOTED: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Ports:
    """A declared set of ports: those of `only`, and all from `at_least` upwards, without those of `never`."""

    only: frozenset[int] = frozenset()
    at_least: int | None = None
    never: frozenset[int] = frozenset()

    def __contains__(self, port: object) -> bool:
        if not isinstance(port, int) or port in self.never or not 0 < port <= _MAX_PORT:
            return False
        return port in self.only or (self.at_least is not None and port >= self.at_least)


WEB: Final = Ports(only=frozenset({80, 443}), at_least=1024, never=frozenset({5432, 6379}))


def forbidden(detail: str) -> errors.Invalid:
    """The problem that every refused destination gives."""
    return errors.Invalid("destination-forbidden", detail, extensions={"retryable": False})


@lru_cache(256)
def parse_url(text: str) -> yarl.URL:
    """Read an http or https URL; whatever two parsers could read in two ways is refused.

    Raises Invalid `destination-forbidden`. The host of the result has its one spelling. It is remembered for a while,
    because each gate that a call passes on its way out reads the address again.
    """
    if len(text) > MAX_URL or _CONTROL.search(text):
        raise forbidden("The URL is too long or holds characters that URLs do not hold.")
    match = _AUTHORITY.match(text)
    rest = text[match.end() :] if match else "@"
    if match is None or (rest and rest[0] not in "/?#"):
        raise forbidden("The URL must read http(s)://host[:port]/…, without user names.")
    if "@" in text.partition("#")[2]:
        raise forbidden("The URL's fragment holds an @, which parsers read in different ways.")
    host = _normalize(match["host"])
    try:
        quoted = _QUOTED.fullmatch(rest.partition("#")[0]) is not None and "/." not in rest
        url = yarl.URL(text, encoded=quoted).with_host(host).with_fragment(None)
    except ValueError as error:
        raise forbidden("The URL cannot be read.") from error
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[match["scheme"].lower()]
    if (url.raw_host, url.port, url.scheme) != (host, port, match["scheme"].lower()) or url.user is not None:
        raise forbidden("The URL can be read in more than one way.")
    return url


def parse_allow(text: str) -> frozenset[tuple[str, int]]:
    """Read `host:port,…` with hosts in their one spelling; raises ValueError for any entry that is not exact."""
    return frozenset(_parse_entry(entry.strip()) for entry in text.split(",") if entry.strip())


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's part: exact exceptions (host, port) as they are written in a call, and the stack's own ports."""

    allow: frozenset[tuple[str, int]] = field(default=frozenset())
    closed_ports: frozenset[int] = field(default=frozenset())

    def grants(self, host: str, port: int) -> bool:
        """Tell whether the operator excepted this very host and port."""
        return (host, port) in self.allow

    def check(self, host: str, port: int, *, ports: Ports, hosts: Iterable[str] | None = None) -> str:
        """Return the host in its one spelling, or raise Invalid `destination-forbidden` before anything is resolved.

        `hosts` are the only hosts this call may have: names, or `.example.com` for all below.
        """
        normal = _normalize(host)
        if hosts is not None and not any(_covers(pattern, normal) for pattern in hosts):
            raise forbidden("The host is not one that this integration declares.")
        if self.grants(normal, port):
            return normal
        if port in self.closed_ports or port not in ports:
            raise forbidden(f"Port {port} is not open to this kind of call.")
        if addresses.parse_address(normal) is not None:
            self.check_address(normal)
        elif addresses.is_local_name(normal):
            raise forbidden("The host is a name of this machine or site.")
        return normal

    @staticmethod
    def check_address(address: str) -> None:
        """Raise Invalid `destination-forbidden` for an address that is not public."""
        reason = addresses.forbidden_reason(address)
        if reason is not None:
            raise forbidden(f"The destination's address is not public ({reason}).")


def _normalize(host: str) -> str:
    try:
        return addresses.normalize_host(host)
    except addresses.BadHostError as error:
        raise forbidden(f"The host cannot be used: {error}.") from error


def _covers(pattern: str, host: str) -> bool:
    return host.endswith(pattern) if pattern.startswith(".") else host == _normalize(pattern)


def _parse_entry(entry: str) -> tuple[str, int]:
    host, colon, port = entry.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _MAX_PORT:
        raise ValueError(f"{entry!r} must read host:port")
    return addresses.normalize_host(host), int(port)
