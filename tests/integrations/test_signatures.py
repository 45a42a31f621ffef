"""Signature schemes, judged by every published vector, and each of them after a change of one byte."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from services.integrations.domain import signatures
from services.integrations.domain.signatures import Delivery
from tests.fixtures.samples import absent, sample_folder


def vectors() -> list[Any]:
    folder = sample_folder("webhooks")
    if folder is None:
        return [absent({})]
    found = json.loads((folder / "signature_vectors.json").read_text())["vectors"]
    return [pytest.param(vector, id=vector["id"]) for vector in found]


@pytest.mark.parametrize("vector", vectors())
def test_b76_b77_published_vectors(vector: dict[str, Any]) -> None:
    delivery = Delivery(
        headers={name.lower(): value for name, value in vector["headers"].items()},
        body=vector["body"].encode(),
        url=vector.get("url") or "https://example.com/hook",
        now=vector.get("now") or time.time(),
    )
    secret = vector.get("public_key") or vector["secret"]
    assert signatures.verify(vector["vendor"], delivery, [secret]) is (vector["expect"] == "valid")
    assert signatures.verify(vector["vendor"], delivery, ["other-secret", secret]) is (vector["expect"] == "valid")
    assert not signatures.verify(vector["vendor"], delivery, ["other-secret"])
    assert not signatures.verify(vector["vendor"], delivery, [])


NOW = 1_700_000_000
BODY = b'{"a":1}'
SECRET = "whsec_" + base64.b64encode(b"0" * 24).decode()


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def signed(scheme: str, body: bytes = BODY, now: int = NOW) -> dict[str, str]:
    """Headers of a good delivery, by each sender's documented rule."""
    standard = hmac.digest(b"0" * 24, f"m1.{now}.".encode() + body, "sha256")
    url_hash = hmac.digest(SECRET.encode(), _twilio_url(body).encode(), "sha1")
    return {
        "github": {"x-hub-signature-256": "sha256=" + _hex(SECRET, body)},
        "gitlab": {"x-gitlab-token": SECRET},
        "pagerduty": {"x-pagerduty-signature": "v1=" + _hex(SECRET, body)},
        "slack": {
            "x-slack-request-timestamp": str(now),
            "x-slack-signature": "v0=" + _hex(SECRET, f"v0:{now}:".encode() + body),
        },
        "standard-webhooks": {
            "webhook-id": "m1",
            "webhook-timestamp": str(now),
            "webhook-signature": "v1," + base64.b64encode(standard).decode(),
        },
        "stripe": {"stripe-signature": f"t={now},v1={_hex(SECRET, f'{now}.'.encode() + body)}"},
        "twilio": {"x-twilio-signature": base64.b64encode(url_hash).decode()},
    }[scheme]


def _twilio_url(body: bytes) -> str:
    return f"https://example.com/hook?bodySHA256={hashlib.sha256(body).hexdigest()}"


def delivery(headers: dict[str, str], body: bytes = BODY, now: int = NOW) -> Delivery:
    return Delivery(headers, body, _twilio_url(BODY), now)


@pytest.mark.parametrize("scheme", signatures.SCHEMES)
def test_b76_one_byte(scheme: str) -> None:
    headers = signed(scheme)
    assert signatures.verify(scheme, delivery(headers), [SECRET])
    assert not signatures.verify(scheme, delivery({}), [SECRET])
    assert not signatures.verify(scheme, delivery(headers), [SECRET[:-1] + "x"])
    if scheme != "gitlab":  # its token signs no body
        assert not signatures.verify(scheme, delivery(headers, b'{"a":2}'), [SECRET])
    for name, value in headers.items():
        for changed in (value[:-2] + ("A" if value[-2] != "A" else "B") + value[-1], "", value + "ü"):
            assert not signatures.verify(scheme, delivery({**headers, name: changed}), [SECRET])


@pytest.mark.parametrize("scheme", ["slack", "standard-webhooks", "stripe"])
@pytest.mark.parametrize(("shift", "good"), [(-300, True), (300, True), (-301, False), (301, False), (360, False)])
def test_b77_the_window(scheme: str, shift: int, good: bool) -> None:
    assert signatures.verify(scheme, delivery(signed(scheme), now=NOW + shift), [SECRET]) is good
