"""Keys of the services in tests, and access tokens of people in organisations."""

import time
from typing import Any
from uuid import UUID

import jwt

from shared import crypto, ids
from shared.messages import SERVICES

SEEDS = {name: crypto.encode64(bytes([index + 1]) * 32) for index, name in enumerate(SERVICES)}
SEED = SEEDS["workflows"]
ISSUER = "http://127.0.0.1:8080"


def public_keys() -> dict[str, str]:
    return {name: crypto.public_text(crypto.private_key(seed)) for name, seed in SEEDS.items()}


class Auth:
    """Stands for auth's internal port: one signing key, no API keys, no revocations."""

    async def jwks(self) -> dict[str, Any]:
        return {"keys": [{"kid": "test", "x": public_keys()["auth"]}]}

    async def api_key(self, digest: str) -> dict[str, Any] | None:
        return None

    async def revocations(self, after: int) -> dict[str, Any]:
        return {"items": [], "next": 0}

    async def note_use(self, keys: set[UUID]) -> None:
        return None


def access_token(organization_id: UUID, role: str = "owner") -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": "floyo", "iat": now, "exp": now + 300, "sub": str(ids.new()), "sid": str(ids.new()),
        "org": str(organization_id), "role": role,
    }  # fmt: skip
    key = crypto.private_key(SEEDS["auth"])
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": "test"})
