"""The integrations service on a real database, its public API and internal routes, and somebody to ask it."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import jwt
import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.local.postgres import Postgres
from services.integrations import app as apps
from services.integrations import connectors, deps
from services.integrations.settings import Settings
from shared import crypto, ids, migrate, service
from shared.identity import Verifier
from shared.service import Service
from shared.servicetokens import ServiceTokens
from tests.fixtures import databases
from tests.fixtures.servers import worker_name
from tests.integrations.targets import Api, Seen
from tests.shared.outbound import Canary

ISSUER = "http://127.0.0.1:8080"
CREDENTIAL_KEYS = f"k1:{Fernet.generate_key().decode()}"


def seed() -> str:
    """A fresh Ed25519 seed as configuration holds it."""
    raw = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    return crypto.encode64(raw)


SEEDS = {name: seed() for name in ("auth", "events", "workflows", "integrations")}
PUBLIC_KEYS = {name: crypto.public_text(crypto.private_key(text)) for name, text in SEEDS.items()}


class LocalIdentity:
    """Auth's part: a key set, and no API keys."""

    async def jwks(self) -> dict[str, Any]:
        return {"keys": [{"kid": "auth", "x": PUBLIC_KEYS["auth"]}]}

    async def api_key(self, digest: str) -> dict[str, Any] | None:
        return None

    async def revocations(self, after: int) -> dict[str, Any]:
        return {"items": [], "next": 0}

    async def note_use(self, keys: set[UUID]) -> None:
        return None


@pytest.fixture(scope="session")
def urls(postgres: Postgres) -> dict[str, str]:
    """The addresses of the migrated database by kind of role."""
    found = databases.empty(postgres, "integrations", f"integrations_{worker_name()}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOYO_CREDENTIAL_KEYS", CREDENTIAL_KEYS)
        migrate.upgrade("integrations", found["owner"])
    return found


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    """The one target that calls may reach."""
    listener = Canary()
    await listener.start()
    yield listener
    await listener.stop()


@dataclass
class Events:
    """The events service: it keeps what it is given, or is away."""

    api: Api
    batches: list[Any] = field(default_factory=list)
    away: bool = False

    def of(self, person: "Person") -> list[Any]:
        """The events of one organisation."""
        mine = [batch for batch in self.batches if batch["organization_id"] == str(person.organization_id)]
        return [event for batch in mine for event in batch["events"]]


@pytest.fixture
async def events() -> AsyncIterator[Events]:
    """A sibling on loopback."""

    def answer(seen: Seen) -> web.Response:
        if found.away:
            return web.json_response({"type": "urn:floyo:problem:database-unavailable", "detail": ""}, status=503)
        batch = json.loads(seen.body)
        found.batches.append(batch)
        rejected = [
            {"index": i, "type": "x", "detail": "no"} for i, e in enumerate(batch["events"]) if e["type"] == "bad"
        ]
        return web.json_response({"accepted": len(batch["events"]), "duplicates": 0, "rejected": rejected})

    found = Events(Api(answer))
    await found.api.start()
    yield found
    await found.api.stop()


@pytest.fixture
def settings(urls: dict[str, str], canary: Canary, events: Events) -> Settings:
    return Settings(
        environment="test",
        secret_key=crypto.random_token(48),
        database_url=urls["api"],
        system_database_url=urls["system"],
        redis_url="redis://127.0.0.1:1/0",
        service_key=SEEDS["integrations"],
        service_public_keys=PUBLIC_KEYS,
        credential_keys=CREDENTIAL_KEYS,
        egress_allow=f"127.0.0.1:{canary.port}",
        public_url=ISSUER,
        siblings={"events": [events.api.url]},
    )


@pytest.fixture
async def service_integrations(settings: Settings) -> AsyncIterator[Service]:
    """The process, without listening ports."""
    process = service.build("integrations", settings)
    process.verifier = Verifier(LocalIdentity(), ISSUER)
    async with service.opened(process, deps.open_desk(connectors)):
        yield process


@dataclass
class Person:
    """Somebody with a role in one organisation, and a client that speaks for them."""

    organization_id: UUID
    api: httpx2.AsyncClient
    user_id: UUID = field(default_factory=ids.new)

    async def create(self, connector: str, settings: dict[str, Any], secrets: dict[str, str], **more: Any) -> Any:
        """A new integration, which must succeed."""
        body = {"connector": connector, "name": f"n-{ids.new()}", "settings": settings, "secrets": secrets, **more}
        answer = await self.api.post("/integrations", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()


Enter = Callable[..., Awaitable[Person]]


def token(organization_id: UUID, user_id: UUID, role: str) -> str:
    """An access token as auth mints them."""
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": "floyo", "iat": now, "exp": now + 300, "sub": str(user_id), "org": str(organization_id),
        "role": role, "sid": str(ids.new()), "jti": str(ids.new()),
    }  # fmt: skip
    key = crypto.private_key(SEEDS["auth"])
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "auth", "typ": "at+jwt"})


@pytest.fixture
async def enter(service_integrations: Service, settings: Settings) -> AsyncIterator[Enter]:
    """Lets somebody in: `await enter(role="viewer", organization_id=…)`."""
    app = apps.create_app(settings)
    app.state.service = service_integrations
    clients: list[httpx2.AsyncClient] = []

    async def admit(role: str = "admin", organization_id: UUID | None = None) -> Person:
        organization = organization_id or ids.new()
        user = ids.new()
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://integrations/api/v1",
            headers={"Authorization": f"Bearer {token(organization, user, role)}"},
        )
        clients.append(client)
        return Person(organization, client, user)

    yield admit
    for client in clients:
        await client.aclose()


@pytest.fixture
async def admin(enter: Enter) -> Person:
    return await enter("admin")


Ask = Callable[..., Awaitable[httpx2.Response]]


@pytest.fixture
async def ask(service_integrations: Service, settings: Settings) -> AsyncIterator[Ask]:
    """What a sibling asks on the internal port: `await ask("/internal/http", {…}, caller="workflows")`."""
    app = apps.create_internal_app(settings)
    app.state.service = service_integrations
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://internal") as client:

        async def post(path: str, body: Any, caller: str = "workflows") -> httpx2.Response:
            minted = ServiceTokens(caller, SEEDS[caller], PUBLIC_KEYS).mint("integrations", "POST", path)
            return await client.post(path, json=body, headers={"Authorization": f"Bearer {minted}"})

        yield post
