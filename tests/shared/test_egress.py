"""The egress client: answers, caps, redirects and raw sockets, against real listeners on loopback."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from shared import destinations, egress, errors
from tests.shared.outbound import Canary, Names, http


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    listener = Canary()
    await listener.start()
    yield listener
    await listener.stop()


@pytest.fixture
async def client(canary: Canary) -> AsyncIterator[egress.Egress]:
    """A client whose operator excepted the canary and nothing else."""
    allow = destinations.parse_allow(f"127.0.0.1:{canary.port},target.test:{canary.port}")
    subject = egress.Egress(destinations.Policy(allow=allow), resolve=Names(target_test=[["127.0.0.1"]]))
    yield subject
    await subject.close()


async def test_an_excepted_target_answers(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [http(b'{"a": 1}', Content_Type="application/json", X_Two="b")]
    answer = await client.request("POST", canary.url + "/p?x=1", headers={"X-A": "ü"}, query={"y": "a&b"}, body=b"{}")
    assert (answer.status, answer.json(), answer.headers["x-two"]) == (200, {"a": 1}, "b")
    head = canary.requests[0]
    assert head.startswith(b"POST /p?x=1&y=a%26b HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{canary.port}\r\n".encode() in head


async def test_an_excepted_name_answers(canary: Canary, client: egress.Egress) -> None:
    answer = await client.request("GET", f"http://target.test:{canary.port}/")
    assert answer.body == b"canary"


async def test_answers_of_any_status_come_back(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [http(b"no", "503 Service Unavailable")]
    assert (await client.request("GET", canary.url)).status == 503


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_compressed_answers_are_unpacked(canary: Canary, client: egress.Egress, encoding: str) -> None:
    packed = gzip.compress(b"hello") if encoding == "gzip" else zlib.compress(b"hello")
    canary.answers = [http(packed, Content_Encoding=encoding)]
    assert (await client.request("GET", canary.url)).body == b"hello"


async def failure(client: egress.Egress, url: str, **options: float) -> egress.TargetFailed:
    with pytest.raises(egress.TargetFailed) as caught:
        await client.request("GET", url, **options)  # type: ignore[arg-type]
    return caught.value


async def test_b67_endless_answers_are_cut(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"]
    canary.endless = b"x" * 65536
    problem = await failure(client, canary.url)
    assert (problem.slug, problem.extensions["retryable"]) == ("output-too-large", False)


async def test_b67_bombs_are_cut(canary: Canary, client: egress.Egress) -> None:
    bomb = gzip.compress(b"\0" * (64 * 1024 * 1024))
    assert len(bomb) < 100_000
    canary.answers = [http(bomb, Content_Encoding="gzip")]
    assert (await failure(client, canary.url)).slug == "output-too-large"


async def test_b67_the_cap_is_exact(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [http(b"x" * 1000), http(b"x" * 1001), http(gzip.compress(b"x" * 1001), Content_Encoding="gzip")]
    assert len((await client.request("GET", canary.url, limit=1000)).body) == 1000
    assert (await failure(client, canary.url, limit=1000)).slug == "output-too-large"
    assert (await failure(client, canary.url, limit=1000)).slug == "output-too-large"


async def test_b67_slow_answers_are_cut(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"]
    canary.endless = b""
    slow = await asyncio.start_server(_never_answer, "127.0.0.1", 0)
    port = slow.sockets[0].getsockname()[1]
    subject = egress.Egress(destinations.Policy(allow=frozenset({("127.0.0.1", port)})))
    problem = await failure(subject, f"http://127.0.0.1:{port}", timeout=0.2)
    assert (problem.slug, problem.extensions["retryable"]) == ("timeout", True)
    await subject.close()
    slow.close()


async def _never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_broken_answers_are_retryable(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", b"nonsense\r\n\r\n"]
    assert (await failure(client, canary.url)).slug == "response-malformed"
    assert (await failure(client, canary.url)).extensions["retryable"] is True


async def test_nothing_listening_is_retryable(canary: Canary, client: egress.Egress) -> None:
    await canary.stop()
    problem = await failure(client, canary.url)
    assert (problem.slug, problem.status, problem.extensions) == ("target-unreachable", 424, {"retryable": True})


async def test_b61_redirects_are_not_followed(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [http(b"", "302 Found", Location=f"{canary.url}/next")]
    assert (await client.request("GET", canary.url)).status == 302
    assert canary.connections == 1


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "file:///etc/passwd", "//10.0.0.1/", "http://a@b@c/"])
async def test_b61_each_hop_is_checked_again(canary: Canary, client: egress.Egress, location: str) -> None:
    canary.answers = [http(b"", "302 Found", Location=location)]
    with pytest.raises(errors.Invalid) as caught:
        await client.request("GET", canary.url, redirects=3)
    assert caught.value.slug == "destination-forbidden"
    assert canary.connections == 1


async def test_b71_redirects_carry_no_credentials_to_another_origin(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [http(b"", "302 Found", Location=f"http://target.test:{canary.port}/b")]
    secret = {"Authorization": "Bearer s", "X-Api-Key": "s", "Accept": "text/plain"}
    await client.request("POST", canary.url + "/a", headers=secret, body=b"{}", redirects=1)
    assert b"Bearer s" in canary.requests[0]
    assert canary.requests[1].startswith(b"GET /b ")
    assert b"X-Api-Key" not in canary.requests[1]
    assert b"Authorization" not in canary.requests[1]
    assert b"Accept: text/plain" in canary.requests[1]


async def test_endless_redirects_end(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [http(b"", "307 Temporary Redirect", Location="/again") for _ in range(9)]
    assert (await client.request("GET", canary.url, redirects=3)).status == 307
    assert canary.connections == 4


async def test_connect_gives_a_checked_socket(canary: Canary, client: egress.Egress) -> None:
    opened = await client.connect("target.test", canary.port, ports=destinations.Ports())
    reader, writer = await asyncio.open_connection(sock=opened)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await reader.read()).endswith(b"canary")
    writer.close()


async def test_cookies_are_not_kept(canary: Canary, client: egress.Egress) -> None:
    canary.answers = [http(b"", Set_Cookie="a=b")]
    await client.request("GET", f"http://target.test:{canary.port}/")
    await client.request("GET", f"http://target.test:{canary.port}/")
    assert b"Cookie" not in canary.requests[1]
