"""Publishers of frequent facts learn who wants them: organisations with an active webhook for the type."""

import httpx2

from services.integrations import app as apps
from services.integrations.settings import Settings
from shared.service import Service
from shared.servicetokens import ServiceTokens
from tests.integrations.conftest import PUBLIC_KEYS, SEEDS, Person
from tests.integrations.test_webhooks import connect
from tests.shared.outbound import Canary

KIND = "workflow.run_finished"


async def listening(process: Service, settings: Settings, caller: str = "workflows") -> set[str] | int:
    app = apps.create_internal_app(settings)
    app.state.service = process
    path = f"/internal/audiences/{KIND}"
    minted = ServiceTokens(caller, SEEDS[caller], PUBLIC_KEYS).mint("integrations", "GET", path)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://internal") as client:
        answer = await client.get(path, headers={"Authorization": f"Bearer {minted}"})
    return set(answer.json()["items"]) if answer.status_code == 200 else answer.status_code


async def test_only_active_webhooks_of_the_type_listen(
    admin: Person, canary: Canary, service_integrations: Service, settings: Settings
) -> None:
    organization = str(admin.organization_id)
    other = await connect(admin, canary, types=["approval.requested"])
    found = await listening(service_integrations, settings)
    assert isinstance(found, set)
    assert organization not in found
    made = await connect(admin, canary, types=[KIND])
    found = await listening(service_integrations, settings)
    assert isinstance(found, set)
    assert organization in found
    for webhook in (made, other):
        assert (await admin.api.delete(f"/webhooks/{webhook['id']}")).status_code == 204
    found = await listening(service_integrations, settings)
    assert isinstance(found, set)
    assert organization not in found


async def test_others_may_not_ask(service_integrations: Service, settings: Settings) -> None:
    assert await listening(service_integrations, settings, "auth") == 403
