"""Our lean reading of access tokens beside PyJWT's: never more lenient, and it takes everything that auth makes."""

import asyncio
import base64
import time
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import accesstokens, errors, identity
from shared.policy import ROLES
from tests.shared.test_identity import ISSUER, KEY, Source, access_token

REQUIRED = ["exp", "iat", "sub", "org", "role", "sid"]
moments = st.floats(-1e3, 1e3).map(lambda away: time.time() + away)
texts = st.text(max_size=8) | st.uuids().map(str)
values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, moments, moments.map(int),
    st.lists(texts | st.just("floyo"), max_size=2), st.dictionaries(texts, texts, max_size=1),
    st.sampled_from(["floyo", ISSUER, *ROLES]),
)  # fmt: skip
names = st.sampled_from([*REQUIRED, "iss", "aud", "nbf", "jti", "adm", "more"])
heads = st.dictionaries(st.sampled_from(["crit", "b64", "typ", "kid", "jku", "more"]), values, max_size=1)
ALPHABET = "AQgwz019-_+/=. \n\u00e9"


async def read(token: str) -> identity.Principal | None:
    """Whom Floyo takes a token for."""
    try:
        return await identity.Verifier(Source(), ISSUER).verify(token)
    except errors.Unauthorized:
        return None


def judge(token: str) -> dict[str, Any] | None:
    """The claims, if PyJWT takes the token."""
    options: Any = {"require": REQUIRED, "verify_iat": False}
    try:
        key = KEY.public_key()
        return jwt.decode(token, key, algorithms=["EdDSA"], audience="floyo", issuer=ISSUER, options=options)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return None


def agree(token: str) -> bool:
    """Whether Floyo takes a token; fails when PyJWT does not, or reads somebody else in it."""
    principal = asyncio.run(read(token))
    if principal is None:
        return False
    claims = judge(token)
    assert claims is not None
    whom = (principal.user_id, principal.organization_id, principal.session_id, principal.role, principal.expires_at)
    assert whom == (UUID(claims["sub"]), UUID(claims["org"]), UUID(claims["sid"]), claims["role"], claims["exp"])
    assert principal.issued_at <= time.time() + accesstokens.CLOCK_LEEWAY
    return True


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(names, values, max_size=2), heads)
def test_claims_that_pyjwt_refuses_are_refused(changes: dict[str, Any], header: dict[str, Any]) -> None:
    try:
        token = access_token(**changes, header=header)
    except (TypeError, ValueError, jwt.PyJWTError):
        return  # nobody could make it
    agree(token)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 700), st.text(ALPHABET, max_size=2), st.integers(0, 2))
def test_damage_that_pyjwt_refuses_is_refused(place: int, put: str, removed: int) -> None:
    token = access_token()
    place %= len(token)
    damaged = token[:place] + put + token[place + removed :]
    assert agree(damaged) == (damaged == token)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(ROLES)), st.booleans(), st.floats(-1e6, 0), st.floats(1, 1e6))
def test_what_auth_makes_is_taken(role: str, admin: bool, made: float, left: float) -> None:
    now = time.time()
    changes: dict[str, Any] = {"adm": True} if admin else {}
    token = access_token(role=role, iat=now + made, exp=int(now + left) + 1, jti=str(uuid4()), **changes)
    assert agree(token)


def test_a_signature_has_one_spelling() -> None:
    token = access_token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(token[-1])
    assert agree(token)
    assert not any(agree(token[:-1] + other) for other in alphabet[place + 1 : place + 16])


@pytest.mark.parametrize("part", [b"[" * 4_000, b'{"a":' * 1_000, b"\xff", b"{}", b"null", b"7"])
def test_parts_that_nobody_can_read_are_refused(part: bytes) -> None:
    header, payload, signature = access_token().split(".")
    strange = base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    signed = f"{header}.{strange}"
    own = base64.urlsafe_b64encode(KEY.sign(signed.encode())).rstrip(b"=").decode()
    for token in (f"{signed}.{own}", f"{strange}.{payload}.{signature}"):
        assert asyncio.run(read(token)) is None
