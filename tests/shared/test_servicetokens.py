"""Service tokens, read by hand: what PyJWT would refuse is refused."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from shared import crypto, errors
from shared.servicetokens import ALGORITHM, TYPE, ServiceTokens

SEED = crypto.random_token(32)
PUBLIC = {"workflows": crypto.public_text(crypto.private_key(SEED))}
READER = ServiceTokens("integrations", crypto.random_token(32), PUBLIC)
PATH = "/internal/actions"


def in_seconds(seconds: int) -> Callable[[], float]:
    """A moment from when a token is made, not from when tests are collected."""
    return lambda: time.time() + seconds


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    base = {
        "iss": "workflows", "aud": "integrations", "iat": now, "exp": now + 60, "jti": "1", "htm": "POST", "htu": PATH,
    }  # fmt: skip
    found = {name: value() if callable(value) else value for name, value in {**base, **changed}.items()}
    return {name: value for name, value in found.items() if value is not None}


def mint(body: dict[str, Any], **header: Any) -> str:
    key = crypto.private_key(SEED)
    return jwt.encode(body, key, algorithm=ALGORITHM, headers={"typ": TYPE, **header})


def test_pyjwt_and_we_agree_on_a_good_one() -> None:
    token = ServiceTokens("workflows", SEED, PUBLIC).mint("integrations", "POST", PATH)
    read = jwt.decode(token, crypto.public_key(PUBLIC["workflows"]), algorithms=[ALGORITHM], audience="integrations")
    assert READER.verify(token, "POST", PATH).service == read["iss"]
    assert READER.verify(mint(claims()), "POST", PATH).organization_id is None


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1}, {"iat": in_seconds(60), "exp": in_seconds(90)}, {"exp": in_seconds(600)}, {"exp": "soon"},
        {"exp": None}, {"iat": None}, {"jti": None}, {"jti": 7}, {"aud": None}, {"aud": "events"}, {"iss": None},
        {"iss": "events"}, {"htm": "GET"}, {"htm": None}, {"htu": "/internal/http"},
        {"org": "everybody"}, {"org": 7},
    ],
)  # fmt: skip
def test_b97_wrong_claims(changed: dict[str, Any]) -> None:
    with pytest.raises(errors.Unauthorized):
        READER.verify(mint(claims(**changed)), "POST", PATH)


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": None}, {"crit": ["x"]}, {"b64": False}])
def test_b97_wrong_headers(header: dict[str, Any]) -> None:
    signed = ".".join(_part(part) for part in ({"alg": ALGORITHM, "typ": TYPE, **header}, claims()))
    signature = crypto.encode64(crypto.private_key(SEED).sign(signed.encode()))
    with pytest.raises(errors.Unauthorized):
        READER.verify(f"{signed}.{signature}", "POST", PATH)


def _part(value: dict[str, Any]) -> str:
    return crypto.encode64(json.dumps(value).encode())


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_b97_wrong_algorithms(algorithm: str) -> None:
    key = "" if algorithm == "none" else PUBLIC["workflows"]
    token = jwt.encode(claims(), key, algorithm=algorithm, headers={"typ": TYPE})
    with pytest.raises(errors.Unauthorized):
        READER.verify(token, "POST", PATH)


def test_b97_wrong_shapes() -> None:
    good = mint(claims())
    header, payload, signature = good.split(".")
    changed = base64.urlsafe_b64encode(bytes([crypto.decode64(signature)[0] ^ 1, *crypto.decode64(signature)[1:]]))
    bent = f"{header}.{payload}.{changed.decode().rstrip('=')}"
    for token in [
        "", ".", "..", "...", header, f"{header}.{payload}", f"{good}.x", f"x.{good}", good[:-1], bent,
        f"{payload}.{payload}.{signature}",
    ]:  # fmt: skip
        with pytest.raises(errors.Unauthorized):
            READER.verify(token, "POST", PATH)
