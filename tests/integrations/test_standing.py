"""What stopped working is seen and told: receivers that fail for days, credentials that nothing opens."""

import hmac
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.integrations.storage.tables import hook as hook_table
from services.integrations.storage.tables import integration as table
from services.integrations.storage.tables import outbox, webhook_delivery
from services.integrations.storage.tables import webhook as webhook_table
from shared import clock
from shared.service import Service
from tests.integrations.conftest import Person
from tests.integrations.test_webhooks import connect, log, make_due, publish, send_due
from tests.shared.outbound import Canary, http


async def notices(service: Service, person: Person) -> list[dict[str, Any]]:
    async with service.database.system() as session:
        rows = (await session.execute(sa.select(outbox.c.body).filter_by(type="notice.raised"))).scalars().all()
    return [body for body in rows if body["organization_id"] == str(person.organization_id)]


async def fail(service: Service, person: Person, canary: Canary, made: Any, status: str = "500 No") -> None:
    """One more delivery that is not taken."""
    await publish(service, person)
    canary.answers = [http(b"", status)]
    await make_due(service)
    await send_due(service, made["id"])


async def test_five_days_of_failure_disable_a_webhook(
    admin: Person, canary: Canary, service_integrations: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await connect(admin, canary)
    path, now = f"/webhooks/{made['id']}", clock.now
    await fail(service_integrations, admin, canary, made)
    first = (await admin.api.get(path)).json()
    assert (first["active"], first["disabled"]) == (True, None)
    assert first["failing_since"] is not None
    for days, active in [(4.9, True), (5.1, False)]:
        monkeypatch.setattr(clock, "now", lambda: now() + timedelta(days=days))  # noqa: B023  # used in this turn alone
        canary.answers = [http(b"", "503 Later") for _ in range(9)]
        await send_due(service_integrations, made["id"])
        state = (await admin.api.get(path)).json()
        assert (state["active"], state["failing_since"]) == (active, first["failing_since"])
    monkeypatch.undo()
    assert state["disabled"] == "failing"
    (told,) = await notices(service_integrations, admin)
    assert (told["kind"], told["target"], told["name"]) == ("webhook-failing", made["id"], "127.0.0.1")
    sent = len(canary.requests)
    await publish(service_integrations, admin)
    await make_due(service_integrations)
    await send_due(service_integrations, made["id"])
    assert len(canary.requests) == sent
    assert len(await notices(service_integrations, admin)) == 1


async def test_a_disabled_webhook_begins_anew(admin: Person, canary: Canary, service_integrations: Service) -> None:
    made = await connect(admin, canary)
    await fail(service_integrations, admin, canary, made, "410 Gone")
    path = f"/webhooks/{made['id']}"
    assert (await admin.api.get(path)).json()["disabled"] == "gone"
    assert [told["kind"] for told in await notices(service_integrations, admin)] == ["webhook-gone"]
    again = (await admin.api.patch(path, json={"active": True})).json()
    assert (again["active"], again["disabled"], again["failing_since"]) == (True, None, None)
    (dead,) = await log(admin, made["id"])
    await admin.api.post(f"{path}/deliveries/{dead['id']}/replay")
    await send_due(service_integrations, made["id"])
    assert [item["status"] for item in await log(admin, made["id"])] == ["delivered"]


async def test_a_success_ends_the_failing(admin: Person, canary: Canary, service_integrations: Service) -> None:
    made = await connect(admin, canary)
    await fail(service_integrations, admin, canary, made)
    await make_due(service_integrations)
    await send_due(service_integrations, made["id"])
    assert (await admin.api.get(f"/webhooks/{made['id']}")).json()["failing_since"] is None
    async with service_integrations.database.system() as session:
        statement = sa.select(webhook_delivery.c.attempts).filter_by(organization_id=admin.organization_id)
        assert (await session.execute(statement)).scalars().all() == [2]


async def test_the_state_of_a_credential_is_shown(admin: Person, canary: Canary, service_integrations: Service) -> None:
    bare = await admin.create("http", {"base_url": canary.url}, {})
    made = await admin.create("http", {"base_url": canary.url, "auth": "bearer"}, {"token": "t"})
    assert (bare["credential"], made["credential"]) == ("none", "good")
    for values in ({"key_id": "gone"}, {"sealed": b"changed"}):
        async with service_integrations.database.system() as session:
            await session.execute(sa.update(table).where(table.c.id == made["id"]).values(**values))
        shown = (await admin.api.get(f"/integrations/{made['id']}")).json()
        assert shown["credential"] == "unusable"
        listed = (await admin.api.get("/integrations")).json()["items"]
        assert {item["id"]: item["credential"] for item in listed} == {bare["id"]: "none", made["id"]: "unusable"}
    again = await admin.api.patch(f"/integrations/{made['id']}", json={"secrets": {"token": "t2"}})
    assert again.json()["credential"] == "good"


async def test_secrets_that_nothing_opens_can_be_replaced(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    """By rotation, which keeps the address of a hook and the log of a webhook."""
    owner = await admin.create("http", {"base_url": canary.url}, {})
    hook = (await admin.api.post(f"/integrations/{owner['id']}/hooks", json={"scheme": "github"})).json()
    made = await connect(admin, canary)
    async with service_integrations.database.system() as session:
        for kind, row in ((hook_table, hook), (webhook_table, made)):
            await session.execute(sa.update(kind).where(kind.c.id == row["id"]).values(key_id="gone"))
    headers = {"content-type": "application/json", "x-hub-signature-256": "sha256=0"}
    shut = await admin.api.post(f"/hooks/{hook['id']}", content=b"{}", headers=headers)
    assert (shut.status_code, shut.json()["type"]) == (409, "urn:floyo:problem:credential-unusable")
    fresh = (await admin.api.post(f"/integrations/{owner['id']}/hooks/{hook['id']}/secret", json={})).json()["secret"]
    good = "sha256=" + hmac.new(fresh.encode(), b"{}", "sha256").hexdigest()
    answer = await admin.api.post(
        f"/hooks/{hook['id']}", content=b"{}", headers={**headers, "x-hub-signature-256": good}
    )
    assert answer.status_code == 200
    await publish(service_integrations, admin)
    await send_due(service_integrations, made["id"])
    assert (await log(admin, made["id"]))[0]["problem"] == "credential-unusable"
    assert (await admin.api.post(f"/webhooks/{made['id']}/secret")).status_code == 200
    await make_due(service_integrations)
    await send_due(service_integrations, made["id"])
    assert (await log(admin, made["id"]))[0]["status"] == "delivered"
