"""Processes of the events service inside a test, and callers with real tokens."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import jwt
from fastapi import FastAPI

from services.events import app as events_app
from services.events.settings import Settings
from shared import crypto, ids, service
from shared.identity import Verifier
from shared.servicetokens import ServiceTokens

SEEDS = {
    name: crypto.encode64(name.encode().ljust(32, b"-")) for name in ("auth", "events", "workflows", "integrations")
}
SECRET = "a-secret-for-tests-that-is-long-enough-0123456789"
USER_KEY = crypto.private_key(crypto.encode64(b"user tokens".ljust(32, b"-")))


class LocalIdentity:
    """Auth's answers for tokens minted here; `revoked` is its feed."""

    def __init__(self) -> None:
        self.revoked: list[dict[str, Any]] = []

    async def jwks(self) -> dict[str, Any]:
        """One key."""
        return {"keys": [{"kid": "test", "x": crypto.public_text(USER_KEY)}]}

    async def api_key(self, _digest: str) -> dict[str, Any] | None:
        """No keys exist."""
        return None

    async def revocations(self, after: int) -> dict[str, Any]:
        """What was revoked after a position."""
        return {"items": self.revoked[max(after, 0) :], "next": len(self.revoked)}

    async def note_use(self, _keys: set[UUID]) -> None:
        """Nothing to note."""


@dataclass
class Process:
    """One API process; `public` and `internal` are its applications."""

    service: service.Service
    public: FastAPI
    internal: FastAPI
    identity: LocalIdentity = field(default_factory=LocalIdentity)

    def client(self, token: str | None = None, *, internal: bool = False) -> httpx2.AsyncClient:
        """An HTTP client of this process."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx2.ASGITransport(app=self.internal if internal else self.public, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://events", headers=headers)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Process]:
    """Opens a process as the server does, with tokens of `USER_KEY` accepted."""
    held = service.build("events", settings)
    process = Process(held, events_app.create_app(settings), events_app.create_internal_app(settings))
    held.verifier = Verifier(process.identity, settings.public_url)
    for application in (process.public, process.internal):
        application.state.service = held
    async with service.opened(held, process.public.state.lifespan):
        yield process


def mint(organization_id: UUID, *, role: str = "owner", seconds: float = 300, session_id: UUID | None = None) -> str:
    """An access token as auth signs it."""
    now = time.time()
    claims = {
        "iss": "http://127.0.0.1:8080", "aud": "floyo", "sub": str(ids.new()), "org": str(organization_id),
        "role": role, "sid": str(session_id or ids.new()), "iat": now, "exp": now + seconds,
    }  # fmt: skip
    return jwt.encode(claims, USER_KEY, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": "test"})


class Tenant:
    """A fresh organisation with a client for each role."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.organization_id = ids.new()
        self.client = self.as_role("owner")

    def as_role(self, role: str) -> httpx2.AsyncClient:
        """A client with that role's rights."""
        return self.process.client(mint(self.organization_id, role=role))

    async def post(self, event: dict[str, Any], **headers: str) -> httpx2.Response:
        """Sends one event."""
        return await self.client.post("/api/v1/events", json=event, headers=headers)


def sibling_headers(caller: str, method: str, path: str) -> dict[str, str]:
    """Headers with which a sibling calls the internal port."""
    token = ServiceTokens(caller, SEEDS[caller], {}).mint("events", method, path)
    return {"Authorization": f"Bearer {token}"}
