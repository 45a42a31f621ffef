"""Tokens between services: Ed25519 JWTs of at most 60 s, bound to audience, method and path."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
import orjson
from cryptography.exceptions import InvalidSignature

from shared import crypto, errors, ids

ALGORITHM = "EdDSA"
TYPE = "svc+jwt"
LIFETIME = 60
CLOCK_LEEWAY = 5
_HEADER = crypto.encode64(orjson.dumps({"alg": ALGORITHM, "typ": TYPE}))


@dataclass(frozen=True, slots=True)
class Caller:
    """A sibling service and, where it acts for somebody, the organisation and subject it carries."""

    service: str
    organization_id: UUID | None
    subject: str | None


class ServiceTokens:
    """Mints tokens with this service's key and verifies those of its siblings."""

    def __init__(self, service: str, seed: str, public_keys: Mapping[str, str]) -> None:
        self.service = service
        self._key = crypto.private_key(seed)
        self._public = {name: crypto.public_key(text) for name, text in public_keys.items()}

    def mint(
        self, audience: str, method: str, path: str, *, organization_id: UUID | None = None, subject: str | None = None
    ) -> str:
        """A token for one call; `path` is without query."""
        now = int(time.time())
        claims = {
            "iss": self.service,
            "aud": audience,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": str(ids.new()),
            "htm": method,
            "htu": path,
            "org": str(organization_id) if organization_id else None,
            "act": subject,
        }
        return crypto.compact_jwt(self._key, _HEADER, claims)

    def verify(self, token: str, method: str, path: str) -> Caller:
        """The calling sibling; raises Unauthorized. Read by hand: PyJWT takes longer for it than the signature does."""
        try:
            signed, _, signature = token.rpartition(".")
            header, _, payload = signed.partition(".")
            claims = orjson.loads(crypto.decode64(payload))
            self._public[claims["iss"]].verify(crypto.decode64(signature), signed.encode())
            _judge(header, claims, time.time())
            if (claims["aud"], claims["htm"], claims["htu"]) != (self.service, method, path):
                raise _invalid()
            organization = claims.get("org")
            return Caller(claims["iss"], UUID(organization) if organization else None, claims.get("act"))
        except (InvalidSignature, jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
            raise _invalid() from None


def _judge(header: str, claims: Mapping[str, Any], now: float) -> None:
    issued_at, expires_at = claims["iat"], claims["exp"]
    in_time = issued_at - CLOCK_LEEWAY <= now < expires_at + CLOCK_LEEWAY and expires_at - issued_at <= LIFETIME
    if not in_time or type(claims["jti"]) is not str or not _is_ours(header):
        raise _invalid()


@lru_cache(maxsize=64)
def _is_ours(header: str) -> bool:
    """Headers of service tokens are few, and none of them asks for more than it says."""
    found = jwt.get_unverified_header(f"{header}.e30.")
    return (found.get("alg"), found.get("typ")) == (ALGORITHM, TYPE) and not {"crit", "b64"} & found.keys()


def _invalid() -> errors.Unauthorized:
    return errors.Unauthorized("invalid-service-token", "The service token is missing, expired or not for this call.")
