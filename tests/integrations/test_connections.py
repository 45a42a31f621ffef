"""Whoever suggests steps learns what an organisation has connected: names and connectors, nothing else."""

from typing import Any

import httpx2

from services.integrations import app as apps
from services.integrations.settings import Settings
from shared.service import Service
from shared.servicetokens import ServiceTokens
from tests.integrations.conftest import PUBLIC_KEYS, SEEDS, Enter, Person

PATH = "/internal/integrations"


async def connected(process: Service, settings: Settings, person: Person, caller: str = "events") -> Any:
    app = apps.create_internal_app(settings)
    app.state.service = process
    minted = ServiceTokens(caller, SEEDS[caller], PUBLIC_KEYS).mint("integrations", "GET", PATH)
    query = {"organization_id": str(person.organization_id)}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://internal") as client:
        answer = await client.get(PATH, params=query, headers={"Authorization": f"Bearer {minted}"})
    return answer.json()["items"] if answer.status_code == 200 else answer.status_code


async def test_names_and_connectors_of_one_organisation(
    admin: Person, enter: Enter, service_integrations: Service, settings: Settings
) -> None:
    assert await connected(service_integrations, settings, admin) == []
    for name in ("first", "second"):
        body = {"connector": "http", "name": name, "settings": {"base_url": "https://api.example"}, "secrets": {}}
        assert (await admin.api.post("/integrations", json=body)).status_code == 201
    found = await connected(service_integrations, settings, admin)
    assert found == [{"name": "second", "connector": "http"}, {"name": "first", "connector": "http"}]
    stranger = await enter()
    assert await connected(service_integrations, settings, stranger) == []


async def test_only_events_may_ask(admin: Person, service_integrations: Service, settings: Settings) -> None:
    for caller in ("workflows", "auth"):
        assert await connected(service_integrations, settings, admin, caller) == 403
