"""Attacks on the gateway, rows 86 to 93: the real Traefik with the committed configuration."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.local import gateway, ports
from infra.local.home import ROOT, Home
from infra.local.program import start, stop
from tests.attacks.upstream import Upstream, exchange, request, status

SERVICES = ("auth", "events", "integrations", "workflows")
pytestmark = pytest.mark.xdist_group("gateway")
PUBLIC = "/api/v1/events"


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    """What stands behind every route."""
    service = Upstream()
    await service.start()
    yield service
    await service.stop()


@pytest.fixture(scope="module")
async def service_gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """The port of a gateway with the upstream as its only server."""
    async with _running(Home(tmp_path_factory.mktemp("gateway")), upstream) as port:
        yield port


@asynccontextmanager
async def _running(home: Home, upstream: Upstream, change: tuple[str, str] = ("", "")) -> AsyncIterator[int]:
    """A gateway with the committed configuration, one line of it changed."""
    home.make()
    port = ports.free()
    program = gateway.prepare(home, port, SERVICES)
    static = home.folder / "traefik.yml"
    assert change[0] in static.read_text()
    static.write_text(static.read_text().replace(*change))
    gateway.list_servers(home, {name: [upstream.port] for name in SERVICES})
    with (home.logs / "traefik.log").open("wb") as output:
        process = start(program, output.fileno())
        try:
            await _until_routed(port)
            yield port
        finally:
            await asyncio.to_thread(stop, process, program)


async def _until_routed(port: int) -> None:
    for _ in range(200):
        try:
            if status(await exchange(port, request("GET", PUBLIC))) == 200:
                return
        except OSError:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("the gateway does not answer")


@pytest.fixture
def hits(upstream: Upstream) -> list[bytes]:
    """Requests that reached the upstream in this test."""
    upstream.heads.clear()
    upstream.bodies.clear()
    return upstream.heads


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto", "Authorization"])
async def test_b86_connection_header_removes_nothing(
    service_gateway: int, upstream: Upstream, hits: list[bytes], name: str
) -> None:
    headers = ["Authorization: Bearer t", f"Connection: close, {name}"]
    assert status(await exchange(service_gateway, request("GET", PUBLIC, headers))) == 200
    found = upstream.headers()
    assert found["x-forwarded-host"] == "floyo.example"
    assert found["x-forwarded-for"] == "127.0.0.1"
    assert found["x-forwarded-proto"] == "http"


@pytest.mark.parametrize(
    "header",
    [
        "X_User_Id: 1",
        "X_Forwarded_For: 1.2.3.4",
        "X.User.Id: 1",
        "X~Org~Id: 1",
        "X_Forwarded_Host: evil",
        "x_org_id: 1",
    ],
)
async def test_b87_alias_of_a_header(service_gateway: int, hits: list[bytes], header: str) -> None:
    assert status(await exchange(service_gateway, request("GET", PUBLIC, [header]))) == 400
    assert hits == []


@pytest.mark.parametrize(
    "header",
    ["X-User-Id", "X-Org-Id", "X-Organization-Id", "X-Role", "X-Service-Token", "X-Internal", "X-Feature-Flags",
     "X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "Proxy"],
)  # fmt: skip
async def test_b88_inner_header_from_outside(
    service_gateway: int, upstream: Upstream, hits: list[bytes], header: str
) -> None:
    assert status(await exchange(service_gateway, request("GET", PUBLIC, [f"{header}: forged"]))) == 200
    assert header.lower() not in upstream.headers()


@pytest.mark.parametrize("header", ["X-Feature-Flags", "X-Floyo-Flags"])
async def test_b94_a_flag_is_nobodys_to_set(
    service_gateway: int, upstream: Upstream, hits: list[bytes], header: str
) -> None:
    assert status(await exchange(service_gateway, request("GET", PUBLIC, [f"{header}: ingest-fast=true"]))) == 200
    assert header.lower() not in upstream.headers()
    sources = (ROOT / "shared" / "flags.py", *(ROOT / "services").rglob("*.py"))
    assert not [path for path in sources if header.lower() in path.read_text().lower()], "nobody would read it either"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-Ip", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"])
async def test_b88_forged_forwarding(service_gateway: int, upstream: Upstream, hits: list[bytes], name: str) -> None:
    assert status(await exchange(service_gateway, request("GET", PUBLIC, [f"{name}: 6.6.6.6"]))) == 200
    trusted = {key: value for key, value in upstream.headers().items() if key.startswith("x-")}
    assert "6.6.6.6" not in trusted.values()


@pytest.mark.parametrize(
    "path",
    ["/api../internal", "/api/v1/events/../../../internal/jwks", "/api/v1/events/%2e%2e/%2e%2e/%2e%2e/internal/jwks",
     "/api/v1/events%2f..%2f..%2f..%2finternal", "/api/v1/events/%2f", "/api/v1/events/%5c..%5cinternal",
     "/api/v1/events/%00", "/api/v1/events/%252e%252e/internal", "/api/v1//../internal", "//internal/jwks",
     "/api/v1/events/%3b", "/api/v1/events/%23", "/api/v1/events/%3f",
     "/api/v1/eventsfoo", "/api/v1", "/api/v2/events", "/API/V1/EVENTS", "/api/v1/openapi/../../../internal"],
)  # fmt: skip
async def test_b89_path_tricks(service_gateway: int, hits: list[bytes], path: str) -> None:
    assert status(await exchange(service_gateway, request("GET", path))) in {400, 404}
    assert hits == []


@pytest.mark.parametrize("path", ["//api//v1//events//x", "/api/v1/events/..;/internal", "/api/v1/./events/x"])
async def test_b89_what_passes_stays_on_its_own_route(service_gateway: int, hits: list[bytes], path: str) -> None:
    await exchange(service_gateway, request("GET", path))
    assert {head.split(b" ")[1] for head in hits} <= {b"/api/v1/events/x", b"/api/v1/events/..;/internal"}


@pytest.mark.parametrize(
    "path",
    ["/internal", "/internal/jwks", "/metrics", "/health/liveness", "/health/readiness", "/health/detailed",
     "/openapi.json", "/redoc", "/dashboard/", "/api/rawdata", "/ping", "/"],
)  # fmt: skip
async def test_b90_inner_paths(service_gateway: int, hits: list[bytes], path: str) -> None:
    assert status(await exchange(service_gateway, request("GET", path))) == 404
    assert hits == []


@pytest.mark.parametrize(
    "raw",
    [
        request(
            "POST", PUBLIC, ["Content-Length: 5", "Transfer-Encoding: chunked"], b"0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
        ),
        request("POST", PUBLIC, ["Content-Length: 3", "Content-Length: 4"], b"abcd"),
        request("POST", PUBLIC, ["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
        request("POST", PUBLIC, ["Transfer-Encoding:\x0bchunked"], b"0\r\n\r\n"),
        request("GET", PUBLIC, ["X-A: b", " folded"]),
        request("GET", PUBLIC, ["X-A : b"]),
        b"GET /api/v1/events HTTP/1.1\nHost: floyo.example\nX-A: b\rX-B: c\n\n",
        request("GET", PUBLIC, ["Host: second.example"]),
        request("GET", PUBLIC + " HTTP/1.1\r\nX: y"),
    ],
    ids=["cl-te", "two-cl", "te-identity", "te-vt", "obs-fold", "space-colon", "bare-cr", "two-hosts", "split-line"],
)
async def test_b91_smuggling(service_gateway: int, hits: list[bytes], raw: bytes) -> None:
    """What Go's server accepts of these arrives as one plain request: framed once, unfolded, with CRLF alone."""
    answer = await exchange(service_gateway, raw)
    assert status(answer) in {0, 200, 400, 501}
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert len(hits) <= 1
    for head in hits:
        lines = head.lower().split(b"\r\n")
        assert lines[0].split(b" ")[1] == PUBLIC.encode()
        assert sum(line.startswith((b"content-length:", b"transfer-encoding:")) for line in lines) <= 1
        assert sum(line.startswith(b"host:") for line in lines) == 1
        assert not any(line.startswith((b" ", b"\t")) or b"\n" in line or b"\r" in line for line in lines)


@pytest.mark.parametrize(
    "raw",
    [
        request("POST", PUBLIC, ["Content-Length: 3", "Content-Length: 4"], b"abcd"),
        request("POST", PUBLIC, ["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
        request("GET", PUBLIC, ["X-A : b"]),
        request("GET", PUBLIC, ["X-A: b\rX-B: c"]),
        request("GET", PUBLIC, ["Host: second.example"]),
    ],
    ids=["two-cl", "te-identity", "space-colon", "bare-cr", "two-hosts"],
)
async def test_b91_refused(service_gateway: int, hits: list[bytes], raw: bytes) -> None:
    assert status(await exchange(service_gateway, raw)) in {400, 501}
    assert hits == []


@pytest.mark.parametrize("size", [40_000, 65_536, 1_000_000])
async def test_b93_large_headers(service_gateway: int, hits: list[bytes], size: int) -> None:
    assert status(await exchange(service_gateway, request("GET", PUBLIC, [f"X-Large: {'a' * size}"]))) == 431
    assert hits == []


@pytest.mark.parametrize("sent", [b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"GET /"])
async def test_b93_slow_headers(upstream: Upstream, hits: list[bytes], tmp_path: Path, sent: bytes) -> None:
    """The committed limit is a minute; here it is a second."""
    async with _running(Home(tmp_path), upstream, ("readTimeout: 60s", "readTimeout: 1s")) as port:
        hits.clear()
        assert status(await exchange(port, sent, seconds=10)) in {0, 400, 408}
        assert hits == []


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "FOO", "PROPFIND", "get"])
async def test_b92_unusual_method(service_gateway: int, hits: list[bytes], method: str) -> None:
    for path in (PUBLIC, "/health", "/api/v1/auth/login", "floyo.example:80"):
        answer = await exchange(service_gateway, request(method, path))
        assert status(answer) in {405, 501} or (path == "floyo.example:80" and status(answer) == 400)
    assert hits == []


async def test_gateway_answers_for_itself(service_gateway: int, hits: list[bytes]) -> None:
    assert status(await exchange(service_gateway, request("GET", "/health"))) == 200
    assert hits == []
