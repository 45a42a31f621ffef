"""Tokens between services: Ed25519 JWTs of at most 60 s, bound to audience, method and path."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import jwt

from shared import crypto, errors, ids

ALGORITHM = "EdDSA"
TYPE = "svc+jwt"
LIFETIME = 60
CLOCK_LEEWAY = 5


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
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"typ": TYPE})

    def verify(self, token: str, method: str, path: str) -> Caller:
        """The calling sibling; raises Unauthorized."""
        try:
            issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token,
                self._public[issuer],
                algorithms=[ALGORITHM],
                audience=self.service,
                leeway=CLOCK_LEEWAY,
                options={"require": ["exp", "iat", "jti", "htm", "htu"]},
            )
            good = header.get("typ") == TYPE and (claims["htm"], claims["htu"]) == (method, path)
            if not good or claims["exp"] - claims["iat"] > LIFETIME:
                raise _invalid()
            organization = claims.get("org")
            return Caller(issuer, UUID(organization) if organization else None, claims.get("act"))
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
            raise _invalid() from None


def _invalid() -> errors.Unauthorized:
    return errors.Unauthorized("invalid-service-token", "The service token is missing, expired or not for this call.")
