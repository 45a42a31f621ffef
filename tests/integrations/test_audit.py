"""Acts that matter leave the service as messages for the audit log, in their own transaction, without a secret."""

from typing import Any

import sqlalchemy as sa

from services.integrations.storage.tables import outbox
from shared.service import Service
from tests.integrations.conftest import Person
from tests.shared.outbound import Canary

SECRET = "s3cr3t-canary"


async def told(service: Service, person: Person) -> list[dict[str, Any]]:
    async with service.database.system() as session:
        rows = (await session.execute(sa.select(outbox).order_by(outbox.c.position))).mappings().all()
    assert {row["recipient"] for row in rows} == {"auth"}
    return [row["body"] for row in rows if row["body"]["organization_id"] == str(person.organization_id)]


async def test_every_act_is_told(service_integrations: Service, admin: Person, canary: Canary) -> None:
    made = await admin.create("http", {"base_url": canary.url, "auth": "bearer"}, {"token": SECRET})
    path = f"/integrations/{made['id']}"
    await admin.api.patch(path, json={"name": "other", "secrets": {"token": SECRET + "2"}})
    await admin.api.post(f"{path}/test")
    await admin.api.post(f"{path}/actions/request", json={"input": {}})
    await admin.api.post(f"{path}/actions/request", json={"input": {}, "dry_run": True})
    hook = (await admin.api.post(f"{path}/hooks", json={"scheme": "github"})).json()
    await admin.api.post(f"{path}/hooks/{hook['id']}/secret", json={})
    await admin.api.delete(f"{path}/hooks/{hook['id']}")
    webhook = (await admin.api.post("/webhooks", json={"url": canary.url})).json()
    await admin.api.patch(f"/webhooks/{webhook['id']}", json={"active": False})
    await admin.api.post(f"/webhooks/{webhook['id']}/secret")
    sent = (await admin.api.post(f"/webhooks/{webhook['id']}/test")).json()["delivery_id"]
    await admin.api.post(f"/webhooks/{webhook['id']}/deliveries/{sent}/replay")
    await admin.api.delete(f"/webhooks/{webhook['id']}")
    await admin.api.delete(path)
    found = await told(service_integrations, admin)
    assert [body["action"] for body in found] == [
        "integration.created", "integration.changed", "integration.tested", "action.run", "hook.created",
        "hook.secret_changed", "hook.deleted", "webhook.created", "webhook.changed", "webhook.secret_changed",
        "webhook.tested", "delivery.replayed", "webhook.deleted", "integration.deleted",
    ]  # fmt: skip
    assert {body["actor"] for body in found} == {f"user:{admin.user_id}"}
    assert found[1]["details"] == {"fields": ["name"], "secrets": ["token"]}
    assert SECRET not in str(found)


async def test_what_failed_is_not_told(service_integrations: Service, admin: Person) -> None:
    assert (await admin.api.post("/integrations", json={"connector": "none", "name": "x"})).status_code == 422
    absent = "/integrations/0190a0a0-0000-7000-8000-000000000001"
    assert (await admin.api.delete(absent)).status_code == 404
    assert (await admin.api.patch(absent, json={"name": "x"})).status_code == 404
    async with service_integrations.database.system() as session:
        rows = (await session.execute(sa.select(outbox.c.body))).scalars().all()
    assert not [body for body in rows if body["organization_id"] == str(admin.organization_id)]
