"""Attacks on tokens, rows 1 to 13, against every service."""

import base64
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.attacks import policy
from tests.attacks.actors import READABLE, Actor, eventually, execute
from tests.attacks.applications import Operation, operations
from tests.fixtures.stack import Stack

every_service = pytest.mark.parametrize("path", READABLE.values(), ids=READABLE.keys())
Join = Callable[[], Actor]


def _part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _forge(header: dict[str, Any], claims: dict[str, Any] | bytes, key: Any = None, algorithm: str = "EdDSA") -> str:
    """A compact token with any header; signed when a key is given, by the bytes of its parts."""
    signed = f"{_part(header)}.{_part(claims)}"
    if key is None:
        return f"{signed}."
    return f"{signed}.{_part(jwt.get_algorithm_by_name(algorithm).sign(signed.encode(), key))}"


def _refused(victim: Actor, path: str, token: str) -> None:
    slug = Actor(victim.stack, token=token).refused("GET", path, 401)
    assert slug == "invalid-token"


@pytest.fixture(scope="session")
def header(victim: Actor) -> dict[str, Any]:
    """The header of a good token."""
    return jwt.get_unverified_header(victim.pair["access_token"])


@pytest.fixture(scope="session")
def public_key(victim: Actor) -> dict[str, str]:
    """The signing key as everybody can read it."""
    keys = httpx2.get(f"{victim.stack.gateway}/.well-known/jwks.json", trust_env=False).json()["keys"]
    return dict(keys[0])


@every_service
def test_good_token_is_admitted(victim: Actor, path: str) -> None:
    victim.ok("GET", path)


@every_service
@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", ""])
def test_b1_algorithm_none(victim: Actor, header: dict[str, Any], path: str, algorithm: str) -> None:
    _refused(victim, path, _forge({**header, "alg": algorithm}, victim.claims))


@every_service
def test_b2_hmac_with_the_public_key(
    victim: Actor, header: dict[str, Any], public_key: dict[str, str], path: str
) -> None:
    raw = base64.urlsafe_b64decode(public_key["x"] + "=")
    for secret in (raw, public_key["x"].encode(), json.dumps(public_key).encode()):
        _refused(victim, path, _forge({**header, "alg": "HS256"}, victim.claims, secret, "HS256"))


@every_service
@pytest.mark.parametrize("kid", ["../../../dev/null", "' OR 1=1 --", "unknown", "", None, 7, ["a"], {"$ne": 1}])
def test_b3_key_id(victim: Actor, header: dict[str, Any], path: str, kid: Any) -> None:
    _refused(victim, path, _forge({**header, "kid": kid}, victim.claims, Ed25519PrivateKey.generate()))


@every_service
@pytest.mark.parametrize("name", ["jku", "x5u", "jwk"])
def test_b4_key_brought_along(victim: Actor, header: dict[str, Any], path: str, name: str) -> None:
    own = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "kid": "mine", "x": _part(own.public_key().public_bytes_raw())}
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        value = jwk if name == "jwk" else f"http://127.0.0.1:{canary.getsockname()[1]}/jwks.json"
        _refused(victim, path, _forge({**header, "kid": "mine", name: value}, victim.claims, own))
        time.sleep(0.1)
        with pytest.raises(BlockingIOError):
            canary.accept()


@every_service
def test_b5_critical_extension(victim: Actor, path: str) -> None:
    token = victim.pair["access_token"].split(".")
    changed = {**json.loads(base64.urlsafe_b64decode(token[0] + "==")), "crit": ["x"], "x": 1}
    _refused(victim, path, ".".join([_part(changed), token[1], token[2]]))
    _refused(victim, path, _forge(changed, victim.claims, Ed25519PrivateKey.generate()))


WRONG_EXPIRIES: list[Any] = [None, 1, -1, "soon", "9999999999", True, [], {}]
WRONG_TENANTS: list[Any] = [None, "", "x", 7, [], "00000000"]
WRONG_CLAIMS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "b6_audience": ("at+jwt", [{"aud": name} for name in ("auth", "events", "", None, ["other"])]),
    "b6_issuer": ("at+jwt", [{"iss": name} for name in ("https://evil.example", "", None)]),
    "b7_type": ("", [{}]),
    "b8_expiry": (
        "at+jwt",
        [{"exp": value} for value in WRONG_EXPIRIES] + [{"nbf": 9_999_999_999}, {"iat": 9_999_999_999}, {"iat": "now"}],
    ),
    "b28_tenant": ("at+jwt", [{"org": value} for value in WRONG_TENANTS]),
}


@every_service
@pytest.mark.parametrize("row", WRONG_CLAIMS)
async def test_b6_b7_b8_b28_claims_signed_by_the_real_key(
    stack: Stack, victim: Actor, header: dict[str, Any], path: str, row: str
) -> None:
    """What even a token of our own key is refused for; a missing tenant never falls back to a default."""
    key, kid = await _signing_key(stack)
    kind, changes = WRONG_CLAIMS[row]
    for change in changes:
        claims = {name: value for name, value in {**victim.claims, **change}.items() if value is not None}
        for typ in [kind] if kind else ["JWT", "svc+jwt", "refresh", "reset+jwt", None]:
            _refused(victim, path, _forge({**header, "kid": kid, "typ": typ}, claims, key))
    good = _forge({**header, "kid": kid}, victim.claims, key)
    Actor(stack, token=good).ok("GET", path)


@every_service
async def test_b8_number_out_of_range(stack: Stack, victim: Actor, header: dict[str, Any], path: str) -> None:
    key, kid = await _signing_key(stack)
    for literal in (b"1e400", b"-1e400", b"NaN", b"Infinity", b"1" * 400):
        claims = json.dumps(victim.claims).encode()
        changed = claims.replace(str(victim.claims["exp"]).encode(), literal)
        _refused(victim, path, _forge({**header, "kid": kid}, changed, key))


async def _signing_key(stack: Stack) -> tuple[Any, str]:
    """The stack's own key, opened as auth opens it."""
    import asyncpg

    from services.auth.domain.context import SEAL_ID, seal_key
    from shared import crypto
    from tests.attacks.actors import dsn

    connection = await asyncpg.connect(dsn(stack, "auth"))
    row = await connection.fetchrow("SELECT * FROM signing_key ORDER BY signs_from LIMIT 1")
    await connection.close()
    assert row is not None
    ring = crypto.KeyRing({SEAL_ID: seal_key((stack.home / "secrets" / "secret_key").read_text())})
    seed = ring.open(row["key_id"], row["sealed"], {"signing_key": row["kid"]})
    return crypto.private_key(str(seed)), row["kid"]


guarded = [operation for operation in operations() if "anonymous" not in policy.read().get(operation.name, [])]


@pytest.fixture(scope="session")
async def bad_tokens(stack: Stack, victim: Actor, header: dict[str, Any], public_key: dict[str, str]) -> dict[str, str]:
    """One token for each of rows 1 to 9; whatever can be signed is signed by the key of the stack itself."""
    key, kid = await _signing_key(stack)
    claims, good = victim.claims, victim.pair["access_token"]
    head, body, signature = good.split(".")
    own = {**header, "kid": kid}
    return {
        "b1": _forge({**header, "alg": "none"}, claims),
        "b2": _forge({**header, "alg": "HS256"}, claims, public_key["x"].encode(), "HS256"),
        "b3": _forge({**header, "kid": "../../../dev/null"}, claims, Ed25519PrivateKey.generate()),
        "b4": _forge({**header, "kid": "mine", "jku": "http://127.0.0.1:1/"}, claims, Ed25519PrivateKey.generate()),
        "b5": _forge({**own, "crit": ["x"], "x": 1}, claims, key),
        "b6_audience": _forge(own, {**claims, "aud": "auth"}, key),
        "b6_issuer": _forge(own, {**claims, "iss": "https://evil.example"}, key),
        "b7": _forge({**own, "typ": "svc+jwt"}, claims, key),
        "b7_refresh": victim.pair["refresh_token"],
        "b8_past": _forge(own, {**claims, "exp": 1}, key),
        "b8_future": _forge(own, {**claims, "nbf": 9_999_999_999}, key),
        "b9_flipped": f"{head}.{body}.{signature[:-2]}" + ("AA" if signature[-2:] != "AA" else "BA"),
        "b9_segments": f"{head}.{body}",
        "b28": _forge(own, {name: value for name, value in claims.items() if name != "org"}, key),
        "unknown_key": "floyo_" + "A" * 43,
    }


@pytest.mark.parametrize("operation", guarded, ids=lambda operation: operation.name)
def test_b1_to_b9_no_route_takes_a_bad_token(victim: Actor, bad_tokens: dict[str, str], operation: Operation) -> None:
    """Also the routes that read their callers by themselves, for speed."""
    path = operation.path.removeprefix("/api/v1")
    for name in operation.parameters:
        path = path.replace(f"{{{name}}}", "0190a0a0-0000-7000-8000-000000000001")
    body: dict[str, Any] = {"json": {}} if operation.method in {"POST", "PUT", "PATCH"} else {}
    found = {
        row: Actor(victim.stack, token=token).refused(operation.method, path, 401, **body)
        for row, token in bad_tokens.items()
    }
    assert set(found.values()) == {"invalid-token"}, found


@every_service
def test_b7_tokens_of_other_kinds(victim: Actor, path: str) -> None:
    _refused(victim, path, victim.pair["refresh_token"])
    _refused(victim, path, "floyo_" + "A" * 43)
    _refused(victim, path, victim.mailed("verify-email"))


@every_service
def test_b9_damaged_token(victim: Actor, path: str) -> None:
    token = victim.pair["access_token"]
    head, body, signature = token.split(".")
    flipped = body[:20] + ("A" if body[20] != "A" else "B") + body[21:]
    damaged = [f"{head}.{flipped}.{signature}", f"{head}.{body}", f"{token}.{body}", f"{head}.{body}.", "...", ".", "x"]
    for wrong in damaged:
        _refused(victim, path, wrong)
    big = Actor(victim.stack, token="a" * 100_000).call("GET", path)
    assert big.status_code in {401, 431}


def _gone(actor: Actor, began: float) -> None:
    """Every service refuses the actor within five seconds of `began`."""
    for path in READABLE.values():
        eventually(lambda path=path: actor.call("GET", path).status_code == 401, seconds=6)  # type: ignore[misc]
    assert time.monotonic() - began <= 5


@pytest.mark.parametrize("what", ["user", "organization"])
def test_b10_deactivated(actor: Join, admin: Actor, what: str) -> None:
    person = actor()
    key = person.key("*")
    for path in READABLE.values():
        person.ok("GET", path)
    for path in [*READABLE.values()][1:]:
        key.ok("GET", path)
    target = f"/users/{person.claims['sub']}" if what == "user" else person.organization
    began = time.monotonic()
    admin.ok("PUT", f"{target}/status", 204, json={"active": False})
    _gone(person, began)
    if what == "organization":
        _gone(key, began)
    else:
        key.ok("GET", "/events")


def test_b11_old_token_after_downgrade(actor: Join) -> None:
    owner = actor()
    admin = owner.invite("admin")
    routes = [
        ("GET", "/audit-log", None), ("PUT", "/events/retention", {"days": 30}), ("POST", "/workflows", {}),
        ("POST", "/integrations", {}),
    ]  # fmt: skip
    for method, path, body in routes:
        assert admin.call(method, path, json=body).status_code not in {401, 403}, path
    began = time.monotonic()
    owner.ok("PATCH", f"{owner.organization}/members/{admin.claims['sub']}", json={"role": "viewer"})
    for method, path, body in routes:
        eventually(lambda m=method, p=path, b=body: admin.call(m, p, json=b).status_code == 403, seconds=6)  # type: ignore[misc]
    assert time.monotonic() - began <= 5
    admin.ok("GET", "/events")


@pytest.mark.parametrize("cause", ["logout", "reset", "deactivation"])
def test_b12_refresh_after_the_end(actor: Join, admin: Actor, cause: str) -> None:
    person = actor()
    if cause == "logout":
        person.ok("POST", "/auth/logout", 204, json={"refresh_token": person.pair["refresh_token"]})
    elif cause == "reset":
        person.ok("POST", "/auth/forgot-password", 202, json={"email": person.email})
        body = {"token": person.mailed("reset-password"), "password": "a quite different password"}
        person.ok("POST", "/auth/reset-password", 204, json=body)
    else:
        admin.ok("PUT", f"/users/{person.claims['sub']}/status", 204, json={"active": False})
    person.refused("POST", "/auth/refresh", 401, json={"refresh_token": person.pair["refresh_token"]})


async def test_b13_replayed_refresh(actor: Join, stack: Stack) -> None:
    person = actor()
    second = person.ok("POST", "/auth/refresh", json={"refresh_token": person.pair["refresh_token"]})
    statement = "UPDATE refresh_token SET used_at = used_at - interval '11 seconds' WHERE session_id = $1"
    await execute(stack, "auth", statement, person.claims["sid"])
    body = {"refresh_token": person.pair["refresh_token"]}
    assert person.refused("POST", "/auth/refresh", 401, json=body) == "token-reuse"
    person.refused("POST", "/auth/refresh", 401, json={"refresh_token": second["refresh_token"]})
