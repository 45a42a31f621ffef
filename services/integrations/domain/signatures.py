"""The senders' own signature schemes, judged on the raw body; pure, with the clock given."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE: Final = 300
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived: headers by lower-case name, the raw body, the public URL it was sent to, and when (seconds)."""

    headers: Mapping[str, str]
    body: bytes
    url: str
    now: float

    def header(self, name: str) -> str:
        """A header, empty when absent."""
        return self.headers.get(name, "")

    def is_timely(self, timestamp: str) -> bool:
        """Whether a timestamp of seconds lies within five minutes of now."""
        return timestamp.isascii() and timestamp.isdigit() and abs(self.now - int(timestamp)) <= TOLERANCE


Judge = Callable[[Delivery, str], bool]


def verify(scheme: str, delivery: Delivery, secrets: Sequence[str]) -> bool:
    """Whether the delivery is signed with one of the secrets; several are in force during a rotation."""
    judge = SCHEMES[scheme]
    return any(judge(delivery, secret) for secret in secrets)


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, sha256).hexdigest()


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())


def _github(delivery: Delivery, secret: str) -> bool:
    return _same(delivery.header("x-hub-signature-256"), "sha256=" + _hex(secret, delivery.body))


def _gitlab(delivery: Delivery, secret: str) -> bool:
    return _same(delivery.header("x-gitlab-token"), secret)


def _slack(delivery: Delivery, secret: str) -> bool:
    timestamp = delivery.header("x-slack-request-timestamp")
    right = "v0=" + _hex(secret, f"v0:{timestamp}:".encode() + delivery.body)
    return delivery.is_timely(timestamp) and _same(delivery.header("x-slack-signature"), right)


def _stripe(delivery: Delivery, secret: str) -> bool:
    fields = [part.partition("=") for part in delivery.header("stripe-signature").split(",")]
    timestamp = next((value for name, _, value in fields if name == "t"), "")
    right = _hex(secret, f"{timestamp}.".encode() + delivery.body)
    return delivery.is_timely(timestamp) and any(_same(value, right) for name, _, value in fields if name == "v1")


def _pagerduty(delivery: Delivery, secret: str) -> bool:
    right = "v1=" + _hex(secret, delivery.body)
    return any(_same(part.strip(), right) for part in delivery.header("x-pagerduty-signature").split(","))


def _twilio(delivery: Delivery, secret: str) -> bool:
    """Form fields are signed with the URL; other bodies by their hash, which is a query parameter of the URL."""
    fields = ""
    if delivery.header("content-type").startswith("application/x-www-form-urlencoded"):
        pairs = set(parse_qsl(delivery.body.decode(errors="replace"), keep_blank_values=True))
        fields = "".join(name + value for name, value in sorted(pairs))
    else:
        query = dict(parse_qsl(urlsplit(delivery.url).query))
        if not _same(query.get("bodySHA256", ""), sha256(delivery.body).hexdigest()):
            return False
    given = delivery.header("x-twilio-signature")
    return any(
        _same(given, base64.b64encode(hmac.digest(secret.encode(), (url + fields).encode(), "sha1")).decode())
        for url in _with_and_without_port(delivery.url)
    )


def _with_and_without_port(url: str) -> list[str]:
    """Twilio signs the port in some products and not in others."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return [urlunsplit(parts._replace(netloc=netloc)) for netloc in (host, f"{host}:{port}")]


def _standard(delivery: Delivery, secret: str) -> bool:
    message_id, timestamp = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
    if not message_id or not delivery.is_timely(timestamp):
        return False
    message = f"{message_id}.{timestamp}.".encode() + delivery.body
    given = [part.partition(",") for part in delivery.header("webhook-signature").split(" ")]
    if secret.startswith("whpk_"):
        return any(_is_ed25519(secret, value, message) for version, _, value in given if version == "v1a")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    right = base64.b64encode(hmac.digest(key, message, "sha256")).decode()
    return any(_same(value, right) for version, _, value in given if version == "v1")


def _is_ed25519(public_key: str, signature: str, message: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_"), validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (ValueError, InvalidSignature):
        return False
    return True


SCHEMES: Final[Mapping[str, Judge]] = {
    "github": _github,
    "gitlab": _gitlab,
    "pagerduty": _pagerduty,
    "slack": _slack,
    "standard-webhooks": _standard,
    "stripe": _stripe,
    "twilio": _twilio,
}
