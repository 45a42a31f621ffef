"""The keys that sign access tokens: made once for all processes, sealed, shown before they sign and after."""

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit
from services.auth.storage import signingkeys as rows
from shared import clock, crypto, log
from shared.accesstokens import ALGORITHM
from shared.database import Database
from shared.testing import faults

# Verifiers ask for unknown keys at most every two seconds; by then a new key must be shown, before it signs.
ANNOUNCED = timedelta(seconds=10)
# The longest life of a token, and time for clocks and caches to differ.
SHOWN_AFTER = timedelta(seconds=300 + 120)
FRESH_SECONDS = 1.0

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and its id."""

    kid: str
    key: Ed25519PrivateKey


class SigningKeys:
    """This process's view of the keys, at most a second old."""

    def __init__(self, database: Database, seal: crypto.KeyRing) -> None:
        self._database = database
        self._seal = seal
        self._rows: list[Any] = []
        self._opened: dict[str, Ed25519PrivateKey] = {}
        self._read_at = float("-inf")

    async def current(self) -> SigningKey:
        """The key to sign with now."""
        now = clock.now()
        for row in await self._fresh():
            key = self._open(row) if row.signs_from <= now else None
            if key is not None:
                return SigningKey(row.kid, key)
        self._read_at = float("-inf")
        return await self._make_first()

    async def document(self) -> dict[str, Any]:
        """The JSON Web Key Set of every key whose tokens may be met."""
        if not await self._fresh():
            await self._make_first()
        return {"keys": [_public(row) for row in await self._fresh()]}

    async def rotate(self) -> str:
        """Makes the next key, which signs after it was shown for a while; returns its id."""
        dropped = faults.active("old-key-dropped")
        announced, shown_after = (timedelta(0), timedelta(0)) if dropped else (ANNOUNCED, SHOWN_AFTER)
        async with self._database.system() as session:
            await rows.lock(session)
            now = clock.now()
            await rows.delete_hidden(session, now)
            kid = await self._insert(session, now + announced)
            await rows.retire_others(session, kid, now + announced + shown_after)
            await audit.record(session, audit.PLATFORM, audit.OPERATOR, "signing_key.rotated", kid)
        self._read_at = float("-inf")
        return kid

    async def _fresh(self) -> list[Any]:
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            self._rows = await rows.look(self._database, clock.now())
            self._read_at = time.monotonic()
        return self._rows

    async def _make_first(self) -> SigningKey:
        """Makes the first key unless another process was faster."""
        async with self._database.system() as session:
            await rows.lock(session)
            now = clock.now()
            shown = await rows.list_shown(session, now)
            if not any(row.signs_from <= now and self._open(row) for row in shown):
                await self._insert(session, now)
                shown = await rows.list_shown(session, now)
        self._rows, self._read_at = shown, time.monotonic()
        row = next(row for row in shown if row.signs_from <= now and self._open(row))
        return SigningKey(row.kid, self._opened[row.kid])

    async def _insert(self, session: AsyncSession, signs_from: Any) -> str:
        key = Ed25519PrivateKey.generate()
        kid = crypto.random_token(12)
        key_id, sealed = self._seal.seal(crypto.encode64(key.private_bytes_raw()), {"signing_key": kid})
        public = crypto.public_text(key)
        await rows.insert(session, kid=kid, public=public, key_id=key_id, sealed=sealed, signs_from=signs_from)
        return kid

    def _open(self, row: Any) -> Ed25519PrivateKey | None:
        if row.kid not in self._opened:
            try:
                seed = self._seal.open(row.key_id, row.sealed, {"signing_key": row.kid})
            except crypto.UnsealError as error:
                _log.error("signing-key-unusable", kid=row.kid, reason=str(error))
                return None
            self._opened[row.kid] = crypto.private_key(str(seed))
        return self._opened[row.kid]


def sign(signing: SigningKey, claims: dict[str, Any], typ: str) -> str:
    """A compact JWT."""
    return crypto.compact_jwt(signing.key, _header(signing.kid, typ), claims)


@lru_cache(maxsize=16)
def _header(kid: str, typ: str) -> str:
    return crypto.encode64(orjson.dumps({"alg": ALGORITHM, "typ": typ, "kid": kid}))


def _public(row: Any) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": row.kid, "x": row.public}
