"""The service's own components in `/health/detailed`: breakers, and what waits to go in or out."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
import sqlalchemy as sa

from services.integrations import app as apps
from services.integrations.deps import Desk
from services.integrations.settings import Settings
from services.integrations.storage.tables import hook, hook_delivery, integration, webhook, webhook_delivery
from shared import clock, errors, ids
from shared.egress import TargetFailed
from shared.service import Service


@pytest.fixture
async def internal(service_integrations: Service, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    app = apps.create_internal_app(settings)
    app.state.service = service_integrations
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://internal") as client:
        yield client


async def components(internal: httpx2.AsyncClient) -> Any:
    return (await internal.get("/health/detailed")).json()["components"]


async def test_an_open_breaker_is_named(service_integrations: Service, internal: httpx2.AsyncClient) -> None:
    assert (await components(internal))["breakers"] == {"status": "ok", "closed": 0, "open": 0, "half_open": 0}
    breaker = service_integrations.part(Desk).outlets.breaker(ids.new(), "dead.example.com", 443)

    async def fail() -> None:
        raise TargetFailed("timeout", "No answer.", retryable=True)

    for _ in range(5):
        with pytest.raises(TargetFailed):
            await breaker.call(fail)
    assert (await components(internal))["breakers"] == {"status": "open", "closed": 0, "open": 1, "half_open": 0}
    with pytest.raises(errors.Unavailable):
        await breaker.call(fail)


async def test_deliveries_that_wait_are_named(service_integrations: Service, internal: httpx2.AsyncClient) -> None:
    organization_id, owner, receiver = ids.new(), ids.new(), ids.new()
    since = clock.now() - timedelta(seconds=90)
    common = {"organization_id": organization_id, "due_at": since}
    async with service_integrations.database.system() as session:
        for left_by_others in (hook_delivery, webhook_delivery):
            await session.execute(sa.delete(left_by_others))
        await _add_owners(session, organization_id, owner, receiver)
        values = {**common, "hook_id": owner, "delivery_id": "d", "event": {}, "received_at": since}
        await session.execute(sa.insert(hook_delivery).values(**values))
        values = {**common, "id": ids.new(), "webhook_id": receiver, "type": "t", "data": {}, "created_at": since}
        await session.execute(sa.insert(webhook_delivery).values(**values))
    found = await components(internal)
    async with service_integrations.database.system() as session:
        await session.execute(sa.delete(hook).where(hook.c.id == owner))
        await session.execute(sa.delete(webhook).where(webhook.c.id == receiver))
    for name in ("hook_deliveries", "webhook_deliveries"):
        assert found[name]["status"] == "late"
        assert found[name]["due"] == 1
        assert 90 <= found[name]["oldest_seconds"] < 120
    assert (await components(internal))["hook_deliveries"] == {"status": "ok", "due": 0, "oldest_seconds": None}


async def _add_owners(session: Any, organization_id: UUID, owner: UUID, receiver: UUID) -> None:
    sealed = {"organization_id": organization_id, "key_id": "k", "sealed": b"s"}
    made = {"name": "n", "connector": "http", "settings": {}, "created_by": "user:x"}
    await session.execute(sa.insert(integration).values(id=owner, **sealed, **made))
    row = {"id": owner, "integration_id": owner, "scheme": "github", "source": "github", "networks": []}
    await session.execute(sa.insert(hook).values(**row, **sealed))
    await session.execute(sa.insert(webhook).values(id=receiver, url="https://example.com/", types=[], **sealed))
