"""Tokens between services and of people: what is accepted, cached and revoked."""

import time
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from shared import crypto, degraded, errors, identity
from shared.servicetokens import ServiceTokens

ISSUER = "https://floyo.example"
ORGANIZATION, USER, SESSION = uuid4(), uuid4(), uuid4()
BATCH = 10
KEY = crypto.private_key(crypto.encode64(b"k" * 32))


class Source:
    """Auth, as far as a verifier sees it, and a count of what it was asked."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {}
        self.revoked: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.used: list[set[UUID]] = []

    async def jwks(self) -> dict[str, Any]:
        self.asked.append("jwks")
        return {"keys": [{"kid": "one", "x": crypto.public_text(KEY)}]}

    async def api_key(self, digest: str) -> dict[str, Any] | None:
        self.asked.append("api_key")
        return self.keys.get(digest)

    async def note_use(self, keys: set[UUID]) -> None:
        self.used.append(keys)

    async def revocations(self, after: int) -> dict[str, Any]:
        items = self.revoked[max(after, 0) :][:BATCH]
        return {"items": items, "next": max(after, 0) + len(items)}


def access_token(**changes: Any) -> str:
    now = time.time()
    claims = {
        "iss": ISSUER, "aud": "floyo", "sub": str(USER), "org": str(ORGANIZATION), "role": "member",
        "sid": str(SESSION), "iat": now, "exp": int(now) + 300,
    }  # fmt: skip
    header = {"typ": "at+jwt", "kid": "one", **changes.pop("header", {})}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, KEY, algorithm="EdDSA", headers=header)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def verifier(source: Source) -> identity.Verifier:
    return identity.Verifier(source, ISSUER)


async def test_access_token_becomes_a_principal(verifier: identity.Verifier) -> None:
    principal = await verifier.verify(access_token())
    assert (principal.organization_id, principal.user_id, principal.session_id) == (ORGANIZATION, USER, SESSION)
    assert principal.may("events:write")
    assert not principal.may("members:write")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "integrations"}, {"iss": "https://evil.example"}, {"exp": 1}, {"exp": None}, {"exp": "soon"},
        {"sid": None}, {"role": "root"}, {"nbf": 99_999_999_999}, {"header": {"typ": "JWT"}},
        {"header": {"kid": "../x"}}, {"header": {"crit": ["x"]}}, {"sub": "nobody"},
    ],
    ids=str,
)  # fmt: skip
async def test_wrong_claims_are_refused(verifier: identity.Verifier, changes: dict[str, Any]) -> None:
    with pytest.raises(errors.Unauthorized):
        await verifier.verify(access_token(**changes))


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c.d", "x" * 100_000], ids=["empty", "two", "four", "long"])
async def test_b9_malformed_tokens_are_refused(verifier: identity.Verifier, token: str) -> None:
    with pytest.raises(errors.Unauthorized):
        await verifier.verify(token)


async def test_b9_a_flipped_signature_is_refused(verifier: identity.Verifier) -> None:
    token = access_token()
    with pytest.raises(errors.Unauthorized):
        await verifier.verify(token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:])


async def test_keys_are_fetched_once_however_many_unknown_ones_are_tried(
    verifier: identity.Verifier, source: Source
) -> None:
    for number in range(50):
        with pytest.raises(errors.Unauthorized):
            await verifier.verify(access_token(header={"kid": f"unknown-{number}"}))
    assert source.asked == ["jwks"]


async def test_a_revoked_session_ends_though_it_was_cached(verifier: identity.Verifier, source: Source) -> None:
    token = access_token()
    await verifier.poll()
    await verifier.verify(token)
    source.revoked.append({"position": 1, "kind": "session", "id": str(SESSION), "at": time.time()})
    await verifier.poll()
    with pytest.raises(errors.Unauthorized):
        await verifier.verify(token)


async def test_a_token_issued_after_the_revocation_is_good(verifier: identity.Verifier, source: Source) -> None:
    source.revoked.append({"position": 1, "kind": "user", "id": str(USER), "at": time.time() - 1})
    await verifier.poll()
    assert await verifier.verify(access_token())


async def test_api_key_is_looked_up_once(verifier: identity.Verifier, source: Source) -> None:
    key = identity.KEY_PREFIX + crypto.random_token()
    source.keys[crypto.digest(key).hex()] = {
        "id": str(uuid4()), "organization_id": str(ORGANIZATION), "scopes": ["events:write"], "expires_at": None,
    }  # fmt: skip
    for _ in range(3):
        principal = await verifier.verify(key)
    assert source.asked == ["api_key"]
    await verifier.poll()
    assert source.used == []  # uses are told of together, now and then, and never on the way of a request
    verifier._told_at = float("-inf")
    await verifier.poll()
    assert source.used == [{principal.key_id}]
    assert principal.may("events:write")
    assert not principal.may("events:read")


async def test_one_poll_reads_the_feed_to_its_end(verifier: identity.Verifier, source: Source) -> None:
    """Or a process that starts after a busy hour would admit for minutes what was revoked in it."""
    token = access_token()
    source.revoked += [{"kind": "session", "id": str(uuid4()), "at": time.time()} for _ in range(3 * BATCH)]
    source.revoked.append({"kind": "session", "id": str(SESSION), "at": time.time()})
    await verifier.poll()
    with pytest.raises(errors.Unauthorized):
        await verifier.verify(token)


async def test_what_no_proof_is_old_enough_for_is_forgotten(
    verifier: identity.Verifier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or every logout would stay in the memory of every process."""
    now = time.time()
    source.revoked += [{"kind": "session", "id": str(uuid4()), "at": now} for _ in range(25)]
    source.revoked.append({"kind": "role", "id": "o:u", "at": now, "role": "viewer"})
    again = source.revoked[0]["id"]
    await verifier.poll()
    assert (len(verifier._revoked), len(verifier._roles)) == (25, 1)
    later = now + identity.REMEMBERED_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    source.revoked.append({"kind": "session", "id": again, "at": later})
    await verifier.poll()
    assert (verifier._revoked, verifier._roles) == ({("session", again): later}, {})


async def test_a_key_is_looked_up_again_within_the_hour_however_long_it_lives(
    verifier: identity.Verifier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or one that was deleted would be good again in a process that has forgotten its revocation."""
    key, now = identity.KEY_PREFIX + crypto.random_token(), time.time()
    found = {"id": str(uuid4()), "organization_id": str(ORGANIZATION), "scopes": ["*"], "expires_at": now + 1e8}
    source.keys[crypto.digest(key).hex()] = found
    await verifier.verify(key)
    source.keys.clear()
    source.revoked.append({"kind": "api_key", "id": found["id"], "at": now})
    for passed in (1.0, identity.REMEMBERED_SECONDS + 1):
        monkeypatch.setattr(time, "time", lambda passed=passed: now + passed)
        await verifier.poll()
        with pytest.raises(errors.Unauthorized):
            await verifier.verify(key)


async def test_unknown_keys_are_not_admitted_while_the_feed_is_silent(verifier: identity.Verifier) -> None:
    verifier.feed_seen_at = time.monotonic() - identity.FEED_SILENT_SECONDS - 1
    with pytest.raises(errors.Unavailable):
        await verifier.verify(identity.KEY_PREFIX + crypto.random_token())


async def test_what_is_known_passes_while_the_feed_is_silent_and_says_so(verifier: identity.Verifier) -> None:
    token = access_token()
    known = await verifier.verify(token)
    assert degraded.noted() == ()
    verifier.feed_seen_at = time.monotonic() - identity.FEED_SILENT_SECONDS - 1
    assert await verifier.verify(token) == known
    assert degraded.noted() == ("revocations",)


def pair() -> tuple[ServiceTokens, ServiceTokens]:
    seeds = {name: crypto.random_token(32) for name in ("events", "workflows")}
    public = {name: crypto.public_text(crypto.private_key(seed)) for name, seed in seeds.items()}
    return ServiceTokens("events", seeds["events"], public), ServiceTokens("workflows", seeds["workflows"], public)


def test_service_token_carries_the_caller_and_its_organisation() -> None:
    events, workflows = pair()
    token = events.mint("workflows", "POST", "/internal/x", organization_id=ORGANIZATION, subject="user:1")
    caller = workflows.verify(token, "POST", "/internal/x")
    assert (caller.service, caller.organization_id, caller.subject) == ("events", UUID(str(ORGANIZATION)), "user:1")


@pytest.mark.parametrize(("method", "path"), [("GET", "/internal/x"), ("POST", "/internal/y")])
def test_b97_service_token_is_bound_to_its_call(method: str, path: str) -> None:
    events, workflows = pair()
    with pytest.raises(errors.Unauthorized):
        workflows.verify(events.mint("workflows", "POST", "/internal/x"), method, path)


def test_b97_service_token_is_bound_to_its_audience() -> None:
    events, _ = pair()
    with pytest.raises(errors.Unauthorized):
        events.verify(events.mint("workflows", "POST", "/internal/x"), "POST", "/internal/x")


def test_b98_user_token_is_no_service_token() -> None:
    _, workflows = pair()
    with pytest.raises(errors.Unauthorized):
        workflows.verify(access_token(), "POST", "/internal/x")
