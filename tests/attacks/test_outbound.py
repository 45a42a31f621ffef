"""Rows 56-68: the guard refuses before it connects, so the canary sees nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared import destinations, egress, errors
from tests.shared.outbound import Canary, Names

HTTP = destinations.WEB


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    listener = Canary()
    await listener.start()
    yield listener
    assert listener.connections == 0
    await listener.stop()


@pytest.fixture
async def names() -> Names:
    return Names(
        private_test=[["10.0.0.7"]],
        loopback_test=[["127.0.0.1"]],
        mixed_test=[["93.184.216.34", "127.0.0.1"]],
        mixed6_test=[["2606:4700::1111", "::1"]],
        mapped_test=[["::ffff:169.254.169.254"]],
        rebinding_test=[["93.184.216.34"], ["127.0.0.1"]],
        empty_test=[[]],
        localhost=[["127.0.0.1"]],
    )


@pytest.fixture
async def client(names: Names) -> AsyncIterator[egress.Egress]:
    subject = egress.Egress(destinations.Policy(), resolve=names)
    yield subject
    await subject.close()


async def refused(client: egress.Egress, url: str, **options: object) -> errors.Invalid:
    with pytest.raises(errors.Invalid) as caught:
        await client.request("GET", url, **options)  # type: ignore[arg-type]
    assert caught.value.status == 422
    return caught.value


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
        "①②⑦.⓪.⓪.①", "localhost", "localhost.", "LOCALHOST", "a.localhost", "127.0.0.1.", "0", "0.0.0.0",
    ],
)  # fmt: skip
async def test_b56_spellings_of_loopback(canary: Canary, client: egress.Egress, host: str) -> None:
    assert (await refused(client, f"http://{host}:{canary.port}/")).slug == "destination-forbidden"
    with pytest.raises(errors.Invalid):
        await client.connect(host, canary.port, ports=HTTP)


@pytest.mark.parametrize(
    "address",
    [
        "::1", "::", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "fec0::1", "fd00:ec2::254", "fe80::1", "2001::1", "ff02::1",
    ],
)  # fmt: skip
async def test_b57_ipv6_forms(canary: Canary, client: egress.Egress, address: str) -> None:
    assert (await refused(client, f"http://[{address}]:{canary.port}/")).slug == "destination-forbidden"


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "100.64.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1", "224.0.0.1", "0.1.2.3", "240.0.0.1"],
)
async def test_b58_private_networks(canary: Canary, client: egress.Egress, address: str) -> None:
    assert (await refused(client, f"http://{address}/latest/meta-data/")).slug == "destination-forbidden"


@pytest.mark.parametrize("name", ["private.test", "loopback.test", "mixed.test", "mixed6.test", "mapped.test"])
async def test_b59_names_of_private_addresses(canary: Canary, client: egress.Egress, name: str) -> None:
    assert (await refused(client, f"http://{name}:{canary.port}/")).slug == "destination-forbidden"
    with pytest.raises(errors.Invalid):
        await client.connect(name, canary.port, ports=HTTP)


async def test_b60_a_name_is_resolved_once_for_check_and_connection(
    canary: Canary, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was checked is the one that is dialled, whatever a second look-up would say."""
    dialled: list[str] = []

    def stop_short(info: egress.AddressInfo) -> object:
        dialled.append(info[4][0])
        raise PermissionError("nothing leaves the machine")

    monkeypatch.setattr(egress, "_checked_socket", stop_short)
    subject = egress.Egress(destinations.Policy(), resolve=names)
    with pytest.raises(egress.TargetFailed):
        await subject.request("GET", f"http://rebinding.test:{canary.port}/")
    assert (names.asked, dialled) == (["rebinding.test"], ["93.184.216.34"])
    assert (await refused(subject, f"http://rebinding.test:{canary.port}/")).slug == "destination-forbidden"
    await subject.close()


async def test_b60_the_socket_itself_is_the_last_wall(canary: Canary, client: egress.Egress) -> None:
    """Even with every check before it gone, a forbidden address gets no socket."""
    for address in ["127.0.0.1", "::1", "10.0.0.1"]:
        with pytest.raises(PermissionError):
            egress._checked_socket((2, 1, 6, "", (address, canary.port)))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1/", "unix:///run/x", "ftp://example.com/"])
async def test_b62_schemes(client: egress.Egress, url: str) -> None:
    assert (await refused(client, url)).slug == "destination-forbidden"


@pytest.mark.parametrize("form", ["http://e.test\\@{}/", "http://e.test#@{}/", "http://a@b@{}/", "http://e.test@{}/"])
async def test_b63_odd_urls(canary: Canary, client: egress.Egress, form: str) -> None:
    assert (await refused(client, form.format(f"127.0.0.1:{canary.port}"))).slug == "destination-forbidden"


@pytest.mark.parametrize("port", [22, 25, 5432, 6379])
async def test_b64_undeclared_ports(client: egress.Egress, names: Names, port: int) -> None:
    assert (await refused(client, f"http://public.test:{port}/")).slug == "destination-forbidden"
    assert names.asked == []


async def test_b64_the_stacks_own_ports(canary: Canary, names: Names) -> None:
    subject = egress.Egress(destinations.Policy(closed_ports=frozenset({canary.port})), resolve=names)
    assert (await refused(subject, f"http://public.test:{canary.port}/")).slug == "destination-forbidden"
    assert names.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "b\r\nHost: evil"}, {"X-A": "b\nc"}, {"X-A\r\nHost": "b"}, {"X-A": "\x00"}, {"": "x"}, {"a b": "x"},
        {"X-A": "\u2028"}, {"Host": "evil"}, {"host": "evil"}, {"Transfer-Encoding": "chunked"}, {"TE": "trailers"},
        {"Content-Length": "0"}, {"Connection": "X-A"}, {"Expect": "100-continue"}, {"Upgrade": "h2c"},
    ],
)  # fmt: skip
async def test_b66_headers(canary: Canary, client: egress.Egress, headers: dict[str, str]) -> None:
    problem = await refused(client, "http://public.test/", headers=headers)
    assert problem.slug == "header-forbidden"


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET", ""])
async def test_b66_methods(client: egress.Egress, method: str) -> None:
    with pytest.raises(errors.Invalid):
        await client.request(method, "http://public.test/")


async def test_b68_proxies_and_netrc_are_ignored(
    canary: Canary, client: egress.Egress, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = Canary()
    await target.start()
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]:
        monkeypatch.setenv(name, canary.url)
    subject = egress.Egress(destinations.Policy(allow=frozenset({("127.0.0.1", target.port)})))
    assert (await subject.request("GET", target.url)).body == b"canary"
    assert b"Authorization" not in target.requests[0]
    await subject.close()
    await target.stop()


async def test_a_name_without_addresses_is_a_failure(client: egress.Egress) -> None:
    for name in ["empty.test", "unknown.test"]:
        with pytest.raises(egress.TargetFailed) as caught:
            await client.request("GET", f"http://{name}/")
        assert caught.value.slug == "target-unreachable"
