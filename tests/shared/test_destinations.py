"""URLs, ports, hosts and the operator's exceptions, before anything is resolved."""

import pytest

from shared import destinations, errors


@pytest.mark.parametrize(
    "url",
    [
        "http://good.example\\@127.0.0.1/",
        "http://good.example#@127.0.0.1/",
        "http://good.example/#@127.0.0.1",
        "http://a@b@127.0.0.1/",
        "http://user:pass@good.example/",
        "http://user@good.example/",
        "http://@good.example/",
        "http://good.example:80@127.0.0.1/",
        "http://good.example:/",
        "http://good.example:99999/",
        "http://good.example:80:81/",
        "http://good.example:0x50/",
        "http://good.example\t/",
        "http://good.example /",
        "http://good.example/\r\nHost: x",
        "http://good.example/\u0000",
        "http://%67ood.example/",
        "http:good.example/",
        "http:/good.example/",
        "http:///good.example/",
        "//good.example/",
        "good.example",
        "",
        "http://",
        "http://[::1",
        "http://::1/",
        "http://[fe80::1%25eth0]/",
        "http://good.example/" + "a" * 9000,
        "http://①②⑦.⓪.⓪.①/",
    ],
)
def test_b63_urls_that_parsers_read_differently(url: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        destinations.parse_url(url)
    assert caught.value.slug == "destination-forbidden"
    assert caught.value.extensions == {"retryable": False}


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://x/", "unix:/run/x.sock", "ftp://x/", "data:,x", "javascript:x", "ws://x/"]
)
def test_b62_other_schemes(url: str) -> None:
    with pytest.raises(errors.Invalid):
        destinations.parse_url(url)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://Example.COM", "example.com", 80, "/"),
        ("HTTPS://example.com./a%20b?c=d@e", "example.com", 443, "/a b"),
        ("https://example.com:8443/@user", "example.com", 8443, "/@user"),
        ("http://[2606:4700::1111]:8080/x", "2606:4700::1111", 8080, "/x"),
        ("http://bücher.example/", "xn--bcher-kva.example", 80, "/"),
    ],
)
def test_good_urls_have_one_reading(url: str, host: str, port: int, path: str) -> None:
    parsed = destinations.parse_url(url)
    assert (parsed.raw_host, parsed.port, parsed.path) == (host, port, path)


@pytest.mark.parametrize("port", [0, 1, 22, 25, 81, 445, 1023, 5432, 6379, 9000, 65536])
def test_b64_ports_that_http_does_not_declare(port: int) -> None:
    policy = destinations.Policy(closed_ports=frozenset({9000}))
    with pytest.raises(errors.Invalid):
        policy.check("example.com", port, ports=destinations.WEB)


@pytest.mark.parametrize("port", [80, 443, 1024, 8080, 65535])
def test_ports_that_http_declares(port: int) -> None:
    assert destinations.Policy().check("example.com", port, ports=destinations.WEB) == "example.com"


def test_exceptions_are_exact() -> None:
    policy = destinations.Policy(allow=destinations.parse_allow("127.0.0.1:9999, db.internal:5432"))
    assert policy.check("127.0.0.1", 9999, ports=destinations.WEB) == "127.0.0.1"
    assert policy.check("DB.internal.", 5432, ports=destinations.WEB) == "db.internal"
    for host, port in [("127.0.0.1", 9998), ("127.0.0.2", 9999), ("localhost", 9999), ("db.internal", 5433)]:
        with pytest.raises(errors.Invalid):
            policy.check(host, port, ports=destinations.WEB)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:", ":80", "127.1:80", "*:80", "a:0", "a:99999", "a:١"])
def test_exceptions_that_are_not_exact_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the sentence differs by fault
        destinations.parse_allow(text)


def test_b71_a_declared_host_list_binds_even_excepted_hosts() -> None:
    policy = destinations.Policy(allow=destinations.parse_allow("evil.example:443"))
    for host in ["evil.example", "api.example.com.evil.example", "xapi.example.com", "example.com"]:
        with pytest.raises(errors.Invalid):
            policy.check(host, 443, ports=destinations.WEB, hosts=["api.example.com", ".files.example.com"])
    for host in ["api.example.com", "API.example.com.", "eu.files.example.com"]:
        policy.check(host, 443, ports=destinations.WEB, hosts=["api.example.com", ".files.example.com"])
