"""Outbound webhooks: signed, logged, retried by the standard's schedule, given up, replayed, and fair."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import standardwebhooks

from services.integrations.deps import Desk
from services.integrations.domain import sending, webhooks
from services.integrations.internal_routes.messages import HANDLERS
from services.integrations.jobs.webhooks import Sender
from services.integrations.storage.tables import webhook_delivery
from shared import clock, ids
from shared.service import Service
from tests.integrations.conftest import Enter, Person
from tests.shared.outbound import Canary, http

Webhook = dict[str, Any]


async def connect(person: Person, canary: Canary, **more: Any) -> Webhook:
    answer = await person.api.post("/webhooks", json={"url": f"{canary.url}/hook", **more})
    assert answer.status_code == 201, answer.text
    made: Webhook = answer.json()
    return made


async def publish(service: Service, person: Person, kind: str = "workflow.run_finished", data: Any = None) -> None:
    async with service.database.system() as session:
        await webhooks.publish(session, person.organization_id, kind, data or {"run_id": "r1"})


async def send_due(service: Service, webhook_id: str) -> None:
    """What the sender does once, for one webhook."""
    desk = service.part(Desk)
    for delivery in await sending.claim(service.database, limit=1000, each=1000, busy=[]):
        if str(delivery["webhook_id"]) == webhook_id:
            await sending.attempt(service.database, desk.ring, desk.outlets, delivery)


async def log(person: Person, webhook_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await person.api.get(f"/webhooks/{webhook_id}/deliveries")).json()["items"]
    return items


async def make_due(service: Service) -> None:
    async with service.database.system() as session:
        await session.execute(sa.update(webhook_delivery).values(due_at=clock.now()))


async def test_a_fact_is_delivered_signed(admin: Person, canary: Canary, service_integrations: Service) -> None:
    made = await connect(admin, canary, types=["workflow.run_finished"])
    await publish(service_integrations, admin, data={"run_id": "r1", "status": "failed"})
    await publish(service_integrations, admin, kind="suggestion.created")
    await send_due(service_integrations, made["id"])
    (delivery,) = await log(admin, made["id"])
    assert (delivery["status"], delivery["attempts"], delivery["answered"]) == ("delivered", 1, 200)
    head = canary.requests[0].decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    assert headers["webhook-id"] == "msg_" + UUID(delivery["id"]).hex


async def test_receivers_can_verify_what_they_get(admin: Person, service_integrations: Service, canary: Canary) -> None:
    made = await connect(admin, canary)
    delivery = {
        "id": UUID(int=7), "organization_id": admin.organization_id, "type": "x", "data": {"a": "ü"},
        "created_at": datetime.now(UTC), "attempts": 0,
    }  # fmt: skip
    seen: dict[str, Any] = {}

    class Receiver:
        def outlet(self, _organization: UUID) -> "Receiver":
            return self

        async def request(self, _method: str, _url: str, **options: Any) -> Any:
            seen.update(options)
            return type("Answer", (), {"status": 204})

    async with service_integrations.database.system() as session:
        owner = await webhooks.get(session, admin.organization_id, UUID(made["id"]))
    rotated = (await admin.api.post(f"/webhooks/{made['id']}/secret")).json()["secret"]
    async with service_integrations.database.system() as session:
        turned = await webhooks.get(session, admin.organization_id, UUID(made["id"]))
    ring = service_integrations.part(Desk).ring
    receiver: Any = Receiver()
    for current, secrets in [(owner, [made["secret"]]), (turned, [made["secret"], rotated])]:
        await sending._post(ring, receiver, {**delivery, "webhook": current})
        for secret in secrets:
            assert standardwebhooks.Webhook(secret).verify(seen["body"], seen["headers"])["data"] == {"a": "ü"}


async def test_the_schedule_ends_in_the_dead_letter(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    made = await connect(admin, canary)
    await publish(service_integrations, admin)
    expected = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, None]
    for attempt, delay in enumerate(expected, 1):
        canary.answers = [http(b"", "500 Internal Server Error")]
        await make_due(service_integrations)
        before = datetime.now(UTC)
        await send_due(service_integrations, made["id"])
        (delivery,) = await log(admin, made["id"])
        assert (delivery["attempts"], delivery["answered"]) == (attempt, 500)
        if delay is not None:
            waits = (datetime.fromisoformat(delivery["due_at"]) - before).total_seconds()
            assert delay <= waits <= delay * 1.1 + 2
            assert delivery["status"] == "pending"
    assert delivery["status"] == "dead"
    ids = {line for request in canary.requests for line in request.split(b"\r\n") if line.startswith(b"webhook-id")}
    assert (len(canary.requests), len(ids)) == (8, 1)
    await make_due(service_integrations)
    await send_due(service_integrations, made["id"])
    assert len(canary.requests) == 8
    replayed = await admin.api.post(f"/webhooks/{made['id']}/deliveries/{delivery['id']}/replay")
    assert (replayed.status_code, replayed.json()["status"]) == (202, "pending")
    await send_due(service_integrations, made["id"])
    assert (await log(admin, made["id"]))[0]["status"] == "delivered"


async def test_a_receiver_that_is_gone_is_left_alone(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    made = await connect(admin, canary)
    await publish(service_integrations, admin)
    canary.answers = [http(b"", "410 Gone")]
    await send_due(service_integrations, made["id"])
    assert (await log(admin, made["id"]))[0]["status"] == "dead"
    assert (await admin.api.get(f"/webhooks/{made['id']}")).json()["active"] is False
    await publish(service_integrations, admin)
    assert len(await log(admin, made["id"])) == 1


async def test_an_open_circuit_spends_no_attempt(admin: Person, canary: Canary, service_integrations: Service) -> None:
    made = await connect(admin, canary)
    await canary.stop()
    for _ in range(7):
        await publish(service_integrations, admin)
    await send_due(service_integrations, made["id"])
    found = await log(admin, made["id"])
    assert sorted(item["attempts"] for item in found) == [0, 0, 1, 1, 1, 1, 1]
    assert {item["problem"] for item in found} == {"target-unreachable", "circuit-open"}


async def test_one_dead_receiver_holds_up_nobody(
    admin: Person, enter: Enter, canary: Canary, service_integrations: Service
) -> None:
    """A receiver that never answers has 40 deliveries waiting; the other's 40 go out all the same."""
    dead = await asyncio.start_server(_never_answer, "127.0.0.1", 0)
    port = dead.sockets[0].getsockname()[1]
    policy = service_integrations.part(Desk).outlets.egress.policy
    object.__setattr__(policy, "allow", policy.allow | {("127.0.0.1", port)})
    stuck, good = admin, await enter("admin")
    await connect(stuck, canary, url=f"http://127.0.0.1:{port}/")
    made = await connect(good, canary)
    for _ in range(40):
        await publish(service_integrations, stuck)
        await publish(service_integrations, good)
    sender = asyncio.create_task(Sender(service_integrations).run())
    started = time.monotonic()
    while time.monotonic() - started < 5:
        items = (await good.api.get(f"/webhooks/{made['id']}/deliveries?limit=200")).json()["items"]
        if all(item["status"] == "delivered" for item in items):
            break
        await asyncio.sleep(0.05)
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    dead.close()
    assert len(canary.requests) == 40
    assert time.monotonic() - started < 5


async def test_a_backlog_rests_with_its_receiver(
    admin: Person, enter: Enter, canary: Canary, service_integrations: Service
) -> None:
    """While a breaker is open, two hundred waiting deliveries are not taken up one by one, only to be put back."""
    policy = service_integrations.part(Desk).outlets.egress.policy
    object.__setattr__(policy, "allow", policy.allow | {("127.0.0.1", 9)})
    dead = await connect(admin, canary, url="http://127.0.0.1:9/")
    for _ in range(200):
        await publish(service_integrations, admin)
    sender = asyncio.create_task(Sender(service_integrations).run())
    await asyncio.sleep(3)
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    async with service_integrations.database.system() as session:
        where = sa.select(webhook_delivery.c.problem, sa.func.count()).filter_by(webhook_id=UUID(dead["id"]))
        rows = (await session.execute(where.group_by(webhook_delivery.c.problem))).all()
    counts = {row[0]: row[1] for row in rows}
    assert counts[None] > 180
    assert counts["target-unreachable"] >= 5


async def _never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_two_senders_share_the_work(admin: Person, canary: Canary, service_integrations: Service) -> None:
    await connect(admin, canary)
    for _ in range(20):
        await publish(service_integrations, admin)
    claims = await asyncio.gather(
        *(sending.claim(service_integrations.database, limit=200, each=200, busy=[]) for _ in range(3))
    )
    mine = [row["id"] for claim in claims for row in claim if row["organization_id"] == admin.organization_id]
    assert (len(mine), len(set(mine))) == (20, 20)


async def test_messages_of_siblings_become_deliveries(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    made = await connect(admin, canary)
    handler = HANDLERS["workflow.run_finished"]
    body = {"organization_id": str(admin.organization_id), "run_id": "r1", "status": "succeeded"}
    async with service_integrations.database.system() as session:
        await handler.apply(session, handler.reading.model_validate(body))
    assert (await log(admin, made["id"]))[0]["data"] == {"run_id": "r1", "status": "succeeded"}
    gone = HANDLERS["organization.deleted"]
    async with service_integrations.database.system() as session:
        await gone.apply(session, gone.reading.model_validate({"organization_id": str(admin.organization_id)}))
    assert (await admin.api.get("/webhooks")).json()["items"] == []


async def test_deliveries_name_nobody_who_is_gone(admin: Person, canary: Canary, service_integrations: Service) -> None:
    made = await connect(admin, canary, types=["approval.requested"])
    person, colleague = ids.new(), ids.new()
    asked = {"organization_id": str(admin.organization_id), "approvers": [str(person), str(colleague), "owner"]}
    gone = {"user_id": str(person), "organization_ids": [str(admin.organization_id)]}
    for kind, body in (("approval.requested", asked), ("user.deleted", gone)):
        async with service_integrations.database.system() as session:
            await HANDLERS[kind].apply(session, HANDLERS[kind].reading.model_validate(body))
    (delivery,) = await log(admin, made["id"])
    assert delivery["data"] == {"approvers": ["deleted", str(colleague), "owner"]}


async def test_managed_by_api(admin: Person, enter: Enter, canary: Canary, service_integrations: Service) -> None:
    made = await connect(admin, canary)
    path = f"/webhooks/{made['id']}"
    assert made["secret"].startswith("whsec_")
    assert (await admin.api.get(path)).json()["secret"] is None
    changed = await admin.api.patch(path, json={"types": ["suggestion.created"], "active": False})
    assert (changed.json()["types"], changed.json()["active"]) == (["suggestion.created"], False)
    tested = await admin.api.post(f"{path}/test")
    assert (await log(admin, made["id"]))[0]["id"] == tested.json()["delivery_id"]
    stranger, viewer = await enter("owner"), await enter("viewer", admin.organization_id)
    for answer in (
        await stranger.api.get(path),
        await stranger.api.patch(path, json={"active": True}),
        await stranger.api.post(f"{path}/secret"),
        await stranger.api.post(f"{path}/test"),
        await stranger.api.get(f"{path}/deliveries"),
        await stranger.api.post(f"{path}/deliveries/{tested.json()['delivery_id']}/replay"),
        await stranger.api.delete(path),
    ):
        assert answer.status_code == 404
    assert (await viewer.api.get(path)).status_code == 200
    assert (await viewer.api.delete(path)).status_code == 403
    assert (await admin.api.delete(path)).status_code == 204
    assert (await admin.api.get(path)).status_code == 404


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://10.0.0.1/", "file:///x", "http://a@b/", "http://localhost/"]
)
async def test_b58_webhooks_to_forbidden_places(admin: Person, url: str) -> None:
    assert (await admin.api.post("/webhooks", json={"url": url})).status_code == 422


async def test_old_deliveries_are_forgotten(admin: Person, canary: Canary, service_integrations: Service) -> None:
    made = await connect(admin, canary)
    await publish(service_integrations, admin)
    await publish(service_integrations, admin)
    await send_due(service_integrations, made["id"])
    first = (await log(admin, made["id"]))[0]
    async with service_integrations.database.system() as session:
        old = sa.update(webhook_delivery).where(webhook_delivery.c.id == UUID(first["id"]))
        await session.execute(old.values(created_at=clock.now() - timedelta(days=31)))
    await sending.purge(service_integrations.database)
    assert len(await log(admin, made["id"])) == 1
    assert json.dumps(first)
