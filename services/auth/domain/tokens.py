"""Access tokens (RFC 9068) and the refresh tokens that continue a session."""

import hashlib
import math
import time
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.auth.domain import signingkeys
from services.auth.domain.signingkeys import SigningKey
from services.auth.settings import Settings
from shared import crypto, ids
from shared.accesstokens import ACCESS_TYPE, AUDIENCE
from shared.testing import faults

REFRESH_PREFIX = "frt_"


@dataclass(frozen=True, slots=True)
class Pair:
    """What a login answers."""

    access_token: str
    refresh_token: str
    expires_in: int
    organization_id: UUID


class Place(NamedTuple):
    """Where somebody is logged in."""

    user_id: UUID
    organization_id: UUID
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Bearer:
    """For whom an access token speaks."""

    user_id: UUID
    organization_id: UUID
    session_id: UUID
    role: str
    platform_admin: bool


def mint(settings: Settings, signing: SigningKey, bearer: Bearer, *, at: float | None = None) -> str:
    """An access token, dated in milliseconds so that revocations before and after it can be told apart."""
    now = time.time() if at is None else at
    claims = {
        "iss": settings.public_url,
        "aud": AUDIENCE,
        "sub": str(bearer.user_id),
        "org": str(bearer.organization_id),
        "role": bearer.role,
        "sid": str(bearer.session_id),
        "jti": str(ids.new()),
        "iat": math.floor(now * 1_000) / 1_000,
        "exp": int(now) + settings.access_seconds,
    }
    if bearer.platform_admin:
        claims["adm"] = True
    return signingkeys.sign(signing, claims, ACCESS_TYPE)


def new_refresh() -> str:
    """The first refresh token of a session."""
    return REFRESH_PREFIX + crypto.random_token()


def child_of(secret: str, parent: str, salt: bytes) -> str:
    """The one token that follows a refresh token: it can be given again, and is stored nowhere."""
    if faults.active("refresh-unlocked"):
        return new_refresh()
    return REFRESH_PREFIX + crypto.encode64(crypto.sign(secret, "refresh-token", salt + parent.encode()))


def refresh_digest(token: str) -> bytes:
    """The form in which refresh tokens are stored and looked up."""
    return hashlib.sha256(token.encode()).digest()
