"""The networks that no call on behalf of a user may reach, and the one reading of a host name."""

import ipaddress
import re
from functools import lru_cache
from typing import Final

import idna

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Our own list, because `is_global` is True for NAT64, 6to4, IPv4-compatible, site-local and multicast addresses.
FORBIDDEN: Final[dict[str, str]] = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "cloud platform",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "automatic multicast tunnelling",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/96": "loopback, unspecified and IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "local NAT64",
    "100::/64": "discard",
    "100:0:0:1::/64": "dummy prefix",
    "2001::/23": "Teredo, ORCHID and other protocol assignments",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "unique local",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_NETWORKS: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ipaddress.ip_network(network), reason) for network, reason in FORBIDDEN.items()
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
_LOCAL_NAMES: Final = ("localhost", "localdomain", "local", "internal", "home.arpa", "intranet", "lan", "onion")
_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_LONGEST_NAME: Final = 253
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


class BadHostError(ValueError):
    """A host that is not written the one way it may be written."""


def parse_address(text: str) -> Address | None:
    """Read a canonical IP literal (brackets and a zone id are not part of it), or answer None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def forbidden_reason(address: str | Address) -> str | None:
    """Say why an address must not be connected to, or answer None for a public one.

    Anything that is no address at all is forbidden, and so is every IPv6 address outside 2000::/3.
    """
    parsed = parse_address(address.partition("%")[0]) if isinstance(address, str) else address
    if parsed is None:
        return "not an address"
    for network, reason in _NETWORKS:
        if parsed.version == network.version and parsed in network:
            return reason
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed not in _GLOBAL_UNICAST:
            return "not global unicast"
        if (int(parsed) >> 32) & 0xFFFFFFFF in _ISATAP:
            return "ISATAP"
    return None


@lru_cache(4_096)
def normalize_host(host: str) -> str:
    """Return the one spelling of a host: a canonical IP literal or a lower-case ASCII name without its final dot.

    Raises BadHostError for the numeric spellings that resolvers read as IPv4 (`127.1`, `0x7f.1`, `2130706433`),
    for look-alike digits, for zone ids and for whatever is no host name.
    """
    if "%" in host:
        raise BadHostError("a host holds no percent sign")
    if ":" in host:
        return _normalize_ipv6(host)
    name = _to_ascii(host)
    if _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
        if parse_address(name) is None:
            raise BadHostError("an IPv4 address is written as four decimal numbers")
        return name
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise BadHostError("not a host name")
    return name


def is_local_name(name: str) -> bool:
    """Tell whether a normalised name belongs to the machine or its site, whatever a resolver says of it."""
    return any(name == local or name.endswith("." + local) for local in _LOCAL_NAMES)


def _normalize_ipv6(host: str) -> str:
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    parsed = parse_address(inner)
    if parsed is None:
        raise BadHostError("not an IPv6 address")
    return str(parsed)


def _to_ascii(host: str) -> str:
    name = host.removesuffix(".")
    if not name.isascii():
        try:
            # The strict form of 2008 refuses circled digits and the like, which older mappings turn into numbers.
            name = idna.encode(name, strict=True).decode("ascii")
        except idna.IDNAError as error:
            raise BadHostError("not a host name") from error
    return name.lower()
