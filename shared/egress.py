"""The one way out: a client that examines the very address it connects to and bounds what comes back."""

import asyncio
import io
import re
import socket
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

import aiohappyeyeballs
import aiohttp
import orjson
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from shared import addresses, errors
from shared.destinations import WEB, Policy, Ports, forbidden, parse_url

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_SECONDS: Final = 10.0
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SENT_AT_ONCE: Final = 65_536  # larger bodies go in parts, so that they do not hold up the loop
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_METHOD_KEPT: Final = frozenset({307, 308})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8000}")
# These belong to the connection, and a second copy of one is how requests are smuggled.
_RESERVED_HEADERS: Final = frozenset({
    "host", "content-length", "transfer-encoding", "te", "trailer", "connection", "keep-alive", "upgrade", "expect",
    "accept-encoding", "proxy-connection", "proxy-authorization", "proxy-authenticate",
})  # fmt: skip
# What may follow a redirect to another origin; credentials may hide in any other header.
_HARMLESS_HEADERS: Final = frozenset({"accept", "accept-language", "content-type", "user-agent"})

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
Socket = socket.socket
Resolve = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]

_granted: ContextVar[bool] = ContextVar("egress_granted", default=False)


class TargetFailed(errors.FloyoError):
    """The target of a call failed or misbehaved; the extension `retryable` says whether later may be better."""

    status = 424
    title = "The target failed"

    def __init__(self, slug: str, detail: str, *, retryable: bool) -> None:
        super().__init__(slug, detail, extensions={"retryable": retryable})


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: the status, the headers by lower-case name, and the body without its content encoding."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body; raises TargetFailed `response-malformed`."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise TargetFailed("response-malformed", "The target did not answer JSON.", retryable=False) from error


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: yarl.URL
    headers: dict[str, str]
    body: bytes | None


async def resolve_by_system(host: str, port: int) -> Sequence[AddressInfo]:
    """Ask the machine's resolver."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Egress(AbstractResolver):
    """One process's way out; `close()` it at the end. It is its own resolver, so nothing resolves twice."""

    def __init__(self, policy: Policy, *, resolve: Resolve = resolve_by_system) -> None:
        self.policy = policy
        self._resolve_name = resolve
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        ports: Ports = WEB,
        hosts: Iterable[str] | None = None,
        timeout: float = MAX_SECONDS,  # noqa: ASYNC109  # a cap of the whole call, reported as a problem
        limit: int = MAX_BYTES,
        redirects: int = 0,
    ) -> Response:
        """Make one call; `timeout` in seconds covers it whole, `limit` bytes the body before and after decompression.

        Raises Invalid `destination-forbidden` or `header-forbidden` before connecting, and TargetFailed `timeout`,
        `target-unreachable`, `tls-failed`, `output-too-large` or `response-malformed`.
        """
        if method not in METHODS:
            raise errors.Invalid("method-forbidden", "The method is not one that calls may use.")
        allowed = None if hosts is None else tuple(hosts)
        target = self._check_url(parse_url(url), ports, allowed)
        if query:
            target = target.update_query(query)
        sent = check_headers(headers or {})
        try:
            async with asyncio.timeout(min(timeout, MAX_SECONDS)):
                call = _Call(method, target, sent, body)
                return await self._follow(call, ports=ports, hosts=allowed, limit=limit, redirects=redirects)
        except TimeoutError as error:
            raise TargetFailed("timeout", "The target did not answer in time.", retryable=True) from error
        except aiohttp.ClientSSLError as error:
            raise TargetFailed("tls-failed", "The target's certificate is not good.", retryable=False) from error
        except aiohttp.ClientPayloadError as error:
            raise TargetFailed("response-malformed", "The target's answer broke off.", retryable=True) from error
        except aiohttp.InvalidURL as error:
            raise forbidden("The URL cannot be read.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TargetFailed("target-unreachable", "The target cannot be reached.", retryable=True) from error

    async def connect(
        self,
        host: str,
        port: int,
        *,
        ports: Ports,
        hosts: Iterable[str] | None = None,
        timeout: float = MAX_SECONDS,  # noqa: ASYNC109  # reported as a problem
    ) -> socket.socket:
        """Open a checked, connected, non-blocking socket for another protocol; the caller closes it."""
        normal = self.policy.check(host, port, ports=ports, hosts=hosts)
        token = _granted.set(self.policy.grants(normal, port))
        try:
            async with asyncio.timeout(timeout):
                found = await self._addresses(normal, port)
                return await aiohappyeyeballs.start_connection(
                    found,
                    happy_eyeballs_delay=0.25,
                    socket_factory=_checked_socket,
                )
        except TimeoutError as error:
            raise TargetFailed("timeout", "The target did not answer in time.", retryable=True) from error
        except OSError as error:
            raise TargetFailed("target-unreachable", "The target cannot be reached.", retryable=True) from error
        finally:
            _granted.reset(token)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """aiohttp's question, answered with checked addresses only."""
        found = await self._addresses(host, port)
        return [
            ResolveResult(hostname=host, host=info[4][0], port=port, family=info[0], proto=info[2], flags=0)
            for info in found
            if family in (socket.AF_UNSPEC, info[0])
        ]

    async def close(self) -> None:
        """Close every kept connection."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _check_url(self, url: yarl.URL, ports: Ports, hosts: Sequence[str] | None) -> yarl.URL:
        self.policy.check(url.raw_host or "", url.port or 0, ports=ports, hosts=hosts)
        return url

    async def _follow(
        self, call: "_Call", *, ports: Ports, hosts: Sequence[str] | None, limit: int, redirects: int
    ) -> Response:
        """Each hop is checked like the first; an origin that differs gets no credentials, http never follows https."""
        for _ in range(redirects):
            response = await self._send(call, limit)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None:
                return response
            following = self._check_url(parse_url(_join(call.url, location)), ports, hosts)
            call = _redirected(call, following, keep_method=response.status in _METHOD_KEPT)
        return await self._send(call, limit)

    async def _send(self, call: "_Call", limit: int) -> Response:
        token = _granted.set(self.policy.grants(call.url.raw_host or "", call.url.port or 0))
        body = io.BytesIO(call.body) if call.body and len(call.body) > _SENT_AT_ONCE else call.body
        try:
            sent = self._open().request(call.method, call.url, headers=call.headers, data=body, allow_redirects=False)
            async with sent as answer:
                content = await _read(answer, limit)
                received = {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}
                return Response(answer.status, received, content)
        finally:
            _granted.reset(token)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=self,
                use_dns_cache=False,
                socket_factory=_checked_socket,
                limit=1000,
                limit_per_host=50,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Floyo", "Accept-Encoding": "gzip, deflate"},
                timeout=aiohttp.ClientTimeout(),  # `request` has one of its own
                skip_auto_headers=["Content-Type"],
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def _addresses(self, host: str, port: int) -> Sequence[AddressInfo]:
        """Every address of the host, all public or none: a name that mixes both is not to be trusted."""
        literal = addresses.parse_address(host)
        if literal is not None:
            family = socket.AF_INET if isinstance(literal, IPv4Address) else socket.AF_INET6
            found: Sequence[AddressInfo] = [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
        else:
            found = await self._resolve_name(host, port)
        if not self.policy.grants(host, port):
            for info in found:
                self.policy.check_address(info[4][0])
        if not found:
            raise TargetFailed("target-unreachable", "The target's name has no address.", retryable=True)
        return found


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers as they may be sent, or raise Invalid `header-forbidden`."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise errors.Invalid("header-forbidden", "A header holds characters that headers do not hold.")
        if name.lower() in _RESERVED_HEADERS:
            raise errors.Invalid("header-forbidden", f"The header {name} is not the caller's to set.")
    return dict(headers)


def _checked_socket(info: AddressInfo) -> socket.socket:
    """The last look before a packet leaves: what is examined here is what is connected to."""
    family, kind, protocol, _, address = info
    if not _granted.get() and addresses.forbidden_reason(address[0]) is not None:
        raise PermissionError("destination forbidden")
    return socket.socket(family, kind, protocol)


def _redirected(call: _Call, following: yarl.URL, *, keep_method: bool) -> _Call:
    if call.url.scheme == "https" and following.scheme != "https":
        raise forbidden("The target redirects from https to http.")
    headers = call.headers
    if following.origin() != call.url.origin():
        headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS_HEADERS}
    if keep_method or call.method in ("GET", "HEAD"):
        return _Call(call.method, following, headers, call.body)
    return _Call("GET", following, headers, None)


def _join(url: yarl.URL, location: str) -> str:
    try:
        return str(url.join(yarl.URL(location)))
    except ValueError as error:
        raise forbidden("The target redirects to an unreadable URL.") from error


async def _read(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise TargetFailed("response-malformed", "The target's content encoding is not supported.", retryable=False)
    inflater = None if encoding in ("identity", "") else zlib.decompressobj(wbits=47)
    received, content = 0, bytearray()
    async for chunk in answer.content.iter_any():
        received += len(chunk)
        content += chunk if inflater is None else _inflate(inflater, chunk, limit - len(content) + 1)
        if max(received, len(content)) > limit:
            answer.close()
            raise TargetFailed("output-too-large", f"The target answered more than {limit} bytes.", retryable=False)
    return bytes(content)


def _inflate(inflater: Any, chunk: bytes, room: int) -> bytes:
    try:
        inflated: bytes = inflater.decompress(chunk, room)
    except zlib.error as error:
        raise TargetFailed("response-malformed", "The target's compression is broken.", retryable=False) from error
    return inflated
