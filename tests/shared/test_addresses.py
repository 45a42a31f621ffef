"""Every forbidden network and every odd spelling of a host, one by one."""

import ipaddress

import pytest

from shared import addresses


@pytest.mark.parametrize("network", sorted(addresses.FORBIDDEN))
def test_first_and_last_address_of_each_network_is_forbidden(network: str) -> None:
    block = ipaddress.ip_network(network)
    assert addresses.forbidden_reason(block[0]) is not None
    assert addresses.forbidden_reason(str(block[-1])) is not None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "::1",
        "::",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:0808:0808::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fec0::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "ff02::1",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "172.31.255.255",
        "192.168.0.1",
        "198.19.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "2001:db8::1",
        "2606:4700::5efe:10.0.0.1",
        "4000::1",
        "no address",
        "",
    ],
)
def test_b57_b58_addresses_that_are_not_public(address: str) -> None:
    assert addresses.forbidden_reason(address) is not None


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "193.0.0.1",
        "2606:4700:4700::1111",
        "2a00::1",
    ],
)
def test_public_addresses_pass(address: str) -> None:
    assert addresses.forbidden_reason(address) is None


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.1.5",
        "①②⑦.⓪.⓪.①",
        "１２７.0.0.1",
        "127。0。0。1",
        "example.0x",
        "1.2.3.256",
        "fe80::1%eth0",
        "[::1",
        "::1::",
        "",
        ".",
        "a..b",
        "-a.example",
        "exa mple.com",
        "example.com\n",
        "example\u0000.com",
        "a" * 64 + ".com",
        "%31%32%37.0.0.1",
    ],
)
def test_b56_odd_spellings_are_no_hosts(host: str) -> None:
    with pytest.raises(addresses.BadHostError):
        addresses.normalize_host(host)


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("localhost.", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("my_host.example", "my_host.example"),
    ],
)
def test_hosts_have_one_spelling(host: str, normal: str) -> None:
    assert addresses.normalize_host(host) == normal


def test_names_of_the_machine_are_local() -> None:
    assert addresses.is_local_name("localhost")
    assert addresses.is_local_name("db.internal")
    assert not addresses.is_local_name("example.com")
    assert not addresses.is_local_name("notlocalhost.com")
