"""Who is calling: people and API keys by auth's proofs, siblings by short service tokens."""

import asyncio
import math
import time
from collections import OrderedDict
from functools import cached_property
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec

from shared import accesstokens, crypto, degraded, errors, log
from shared.policy import PERMISSIONS, Role, granted

KEY_PREFIX = "floyo_"
MAX_TOKEN_LENGTH = 8_192
CACHE_SIZE = 10_000
KEYS_MAX_AGE = 60.0
KEYS_MIN_AGE = 2.0
POLL_SECONDS = 2.0
FEED_SILENT_SECONDS = 30.0
USE_SECONDS = 20.0
# Keys are looked up again at least so often, and tokens live shorter: older revocations concern nothing that is cached.
KEY_SECONDS = 3_600.0
REMEMBERED_SECONDS = KEY_SECONDS + 100
# A revocation is dated before its commit, so a look-up that just missed it counts as older than any such transaction.
TRANSACTION_SECONDS = 10.0

_log = log.get(__name__)


class Principal(msgspec.Struct, frozen=True, dict=True):
    """A verified caller, acting in exactly one organisation; no dataclass, which takes much longer to make."""

    kind: Literal["user", "api_key"]
    organization_id: UUID
    permissions: frozenset[str]
    expires_at: float
    issued_at: float
    user_id: UUID | None = None
    session_id: UUID | None = None
    key_id: UUID | None = None
    role: Role | None = None
    platform_admin: bool = False

    def may(self, permission: str) -> bool:
        """Whether the caller holds a permission of `shared/policy.py`."""
        return permission in self.permissions

    @cached_property
    def subject(self) -> str:
        """`user:<id>` or `api_key:<id>`, for records of who did something."""
        return f"{self.kind}:{self.user_id or self.key_id}"

    @cached_property
    def revocable(self) -> tuple[tuple[str, str], ...]:
        """What can be revoked and ends this principal with it: (kind, id) as in the feed."""
        ids = {"user": self.user_id, "session": self.session_id, "api_key": self.key_id}
        own = tuple((kind, str(value)) for kind, value in ids.items() if value is not None)
        return (*own, ("organization", str(self.organization_id)), ("member", f"{self.organization_id}:{self.user_id}"))

    @cached_property
    def counted(self) -> tuple[tuple[str, str], ...]:
        """For whom requests are counted: (scope of a limit, key)."""
        who = "key" if self.kind == "api_key" else "user"
        return (who, self.subject), ("organization", str(self.organization_id))


class IdentitySource(Protocol):
    """Where proofs are checked: auth itself, or auth's internal port."""

    async def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set in force."""

    async def api_key(self, digest: str) -> dict[str, Any] | None:
        """{id, organization_id, scopes, expires_at} of the key with this SHA-256 in hexadecimal, or None."""

    async def revocations(self, after: int) -> dict[str, Any]:
        """{items: [{position, kind, id, at, role}], next} after a position; a negative one: all that still matters."""

    async def note_use(self, keys: set[UUID]) -> None:
        """Takes note of API keys that were used just now."""


class Verifier:
    """Turns bearer tokens into principals; remembers what it verified until expiry or revocation."""

    def __init__(self, source: IdentitySource, issuer: str) -> None:
        self._source = source
        self._issuer = issuer
        self._keys: dict[str, Any] = {}
        self._keys_at = float("-inf")
        self._cache: OrderedDict[str, Principal] = OrderedDict()
        self._revoked: dict[tuple[str, str], float] = {}
        self._roles: dict[str, tuple[float, Role]] = {}
        self._position = -1
        self._used: set[UUID] = set()
        self._told_at = self.feed_seen_at = time.monotonic()

    @property
    def feed_silent(self) -> bool:
        """Whether revocations have not been heard of for too long to admit unknown keys."""
        return time.monotonic() - self.feed_seen_at > FEED_SILENT_SECONDS

    async def verify(self, token: str) -> Principal:
        """The principal of an access token or API key; raises Unauthorized or Unavailable."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise _invalid()
        known = self._cache.get(token)
        if known is not None and known.expires_at > time.time() and not self._is_revoked(known):
            self._cache.move_to_end(token)
            return self._admitted(known)
        self._cache.pop(token, None)
        fresh = await (self._from_key(token) if token.startswith(KEY_PREFIX) else self._from_token(token))
        if self._is_revoked(fresh):
            raise _invalid()
        self._remember(token, fresh)
        return self._admitted(fresh)

    async def follow(self) -> None:
        """Polls the revocation feed for ever; a loop of every process that verifies."""
        while True:
            try:
                await self.poll()
            except errors.FloyoError as error:
                _log.warning("revocation-feed-silent", problem=error.slug)
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Reads the feed from where it was left to its end, which can be several answers away."""
        while await self._read():
            pass
        self._forget()
        self.feed_seen_at = time.monotonic()
        if self._used and self.feed_seen_at - self._told_at > USE_SECONDS:
            used, self._used, self._told_at = self._used, set(), self.feed_seen_at
            await self._source.note_use(used)

    async def _read(self) -> bool:
        """Whether there was anything."""
        answer = await self._source.revocations(self._position)
        for item in answer["items"]:
            self._apply(item["kind"], item["id"], float(item["at"]), item.get("role"))
        self._position = int(answer["next"])
        return bool(answer["items"])

    def _apply(self, kind: str, subject: str, at: float, role: Role | None) -> None:
        """Keeps an entry behind all others, so that the oldest stand first."""
        if role is not None:
            self._roles.pop(subject, None)
            self._roles[subject] = (at, role)
        else:
            self._revoked.pop((kind, subject), None)
            self._revoked[(kind, subject)] = at

    def _forget(self) -> None:
        oldest = time.time() - REMEMBERED_SECONDS
        while self._revoked and next(iter(self._revoked.values())) < oldest:
            del self._revoked[next(iter(self._revoked))]
        while self._roles and next(iter(self._roles.values()))[0] < oldest:
            del self._roles[next(iter(self._roles))]

    def _admitted(self, principal: Principal) -> Principal:
        """The principal with the role that was given since the token was issued."""
        if self.feed_silent:
            degraded.note("revocations")
        if principal.key_id is not None:
            self._used.add(principal.key_id)
        if not self._roles:
            return principal
        at, role = self._roles.get(f"{principal.organization_id}:{principal.user_id}", (float("-inf"), None))
        if role is None or principal.issued_at > at:
            return principal
        return msgspec.structs.replace(principal, role=role, permissions=PERMISSIONS[role])

    def _is_revoked(self, principal: Principal) -> bool:
        if not self._revoked:
            return False
        ends = [self._revoked[part] for part in principal.revocable if part in self._revoked]
        return bool(ends) and principal.issued_at <= max(ends)

    def _remember(self, token: str, principal: Principal) -> None:
        self._cache[token] = principal
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)

    async def _from_key(self, token: str) -> Principal:
        if self.feed_silent:
            raise errors.Unavailable("identity-unavailable", "API keys cannot be checked now.")
        asked_at = time.time()
        found = await self._source.api_key(crypto.digest(token).hex())
        if found is None:
            raise _invalid()
        return Principal(
            kind="api_key",
            organization_id=UUID(found["organization_id"]),
            permissions=granted(frozenset(found["scopes"])),
            expires_at=min(found["expires_at"] or math.inf, asked_at + KEY_SECONDS),
            issued_at=asked_at - TRANSACTION_SECONDS,
            key_id=UUID(found["id"]),
        )

    async def _from_token(self, token: str) -> Principal:
        try:
            kid = accesstokens.key_id(token.partition(".")[0])
            key = self._keys[kid] if self._is_fresh(kid) else await self._key(kid)
            return _principal(accesstokens.read(token, key, self._issuer))
        except accesstokens.UNREADABLE:
            raise _invalid() from None

    def _is_fresh(self, kid: str) -> bool:
        return kid in self._keys and time.monotonic() - self._keys_at <= KEYS_MAX_AGE

    async def _key(self, kid: str) -> Any:
        if not self._is_fresh(kid) and time.monotonic() - self._keys_at > KEYS_MIN_AGE:
            await self._load_keys()
        if kid not in self._keys:
            raise _invalid()
        return self._keys[kid]

    async def _load_keys(self) -> None:
        try:
            document = await self._source.jwks()
        except errors.Unavailable:
            if not self._keys:
                raise
            return  # keys already known stay good while auth is away
        self._keys = {key["kid"]: crypto.public_key(key["x"]) for key in document["keys"]}
        self._keys_at = time.monotonic()


def _principal(claims: accesstokens.Claims) -> Principal:
    return Principal(
        kind="user",
        organization_id=claims.org,
        permissions=PERMISSIONS[claims.role],
        expires_at=claims.exp,
        issued_at=claims.iat,
        user_id=claims.sub,
        session_id=claims.sid,
        role=claims.role,
        platform_admin=claims.adm,
    )


def _invalid() -> errors.Unauthorized:
    return errors.Unauthorized("invalid-token", "The token is missing, expired, revoked or not ours.")
