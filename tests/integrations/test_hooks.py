"""Inbound hooks: verified, kept once, forwarded as events."""

import asyncio
import json
import time
from typing import Any
from uuid import UUID

import httpx2
import pytest
import sqlalchemy as sa

from services.integrations.domain import deliveries, hooks
from services.integrations.domain.signatures import Delivery
from services.integrations.storage.tables import hook_delivery
from shared import ids
from shared.service import Service
from tests.fixtures.samples import ABSENT, sample_folder
from tests.integrations.conftest import Enter, Events, Person
from tests.integrations.test_signatures import SECRET, signed

Hook = dict[str, Any]


async def connect(person: Person, scheme: str = "github", **more: Any) -> Hook:
    made = await person.create("http", {"base_url": "https://api.example.com"}, {})
    body = {"scheme": scheme, "secret": SECRET, **more}
    answer = await person.api.post(f"/integrations/{made['id']}/hooks", json=body)
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "integration": made["id"]}


async def deliver(
    person: Person, hook: Hook, body: bytes, *, scheme: str = "github", headers: dict[str, str] | None = None
) -> httpx2.Response:
    """Somebody without a token, who signs."""
    sent = {"content-type": "application/json", **signed(scheme, body, int(time.time())), **(headers or {})}
    path = "/hooks/" + hook["url"].rpartition("/")[2]
    return await person.api.post(path, content=body, headers={"Authorization": "", **sent})


async def forwarded(service: Service) -> None:
    while await hooks.forward(service.database, service.siblings):
        continue


async def test_a_delivery_becomes_an_event(admin: Person, service_integrations: Service, events: Events) -> None:
    hook = await connect(admin)
    assert hook["url"] == f"http://127.0.0.1:8080/api/v1/hooks/{hook['id']}"
    assert hook["secret"] is None
    headers = {"x-github-event": "issues", "x-github-delivery": "d-1"}
    body = b'{"action": "opened", "files": {"path": "../../etc/passwd"}, "__class__": "x"}'
    answer = await deliver(admin, hook, body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"duplicate": False})
    await forwarded(service_integrations)
    assert events.of(admin) == [
        {
            "source": "github", "type": "issues.opened", "id": f"{hook['id']}:d-1", "subject": f"hook:{hook['id']}",
            "data": json.loads(body),
        }
    ]  # fmt: skip


async def test_a_delivery_hands_on_the_run_that_it_comes_from(
    admin: Person, service_integrations: Service, events: Events
) -> None:
    hook = await connect(admin)
    run = str(ids.new())
    claims = {f"run={run};depth=3": {"run_id": run, "depth": 3}, "run=me;depth=3": None, f"run={run};depth=-1": None}
    for number, claim in enumerate(claims):
        headers = {"x-github-event": "push", "x-github-delivery": f"c-{number}", "floyo-cause": claim}
        assert (await deliver(admin, hook, b"{}", headers=headers)).status_code == 200
    await forwarded(service_integrations)
    told = {event["id"][-1]: batch["cause"] for batch in events.batches for event in batch["events"]}
    assert [told[str(number)] for number in range(3)] == list(claims.values())


async def test_b78_a_delivery_counts_once(admin: Person, service_integrations: Service, events: Events) -> None:
    hook = await connect(admin)
    sends = [
        deliver(admin, hook, b'{"n": 1}', headers={"x-github-event": "push", "x-github-delivery": f"d-{n % 5}"})
        for n in range(20)
    ]
    answers = await asyncio.gather(*sends)
    assert {answer.status_code for answer in answers} == {200}
    assert sum(not answer.json()["duplicate"] for answer in answers) == 5
    await asyncio.gather(*(forwarded(service_integrations) for _ in range(3)))
    assert sorted(event["id"][-3:] for event in events.of(admin)) == [f"d-{n}" for n in range(5)]


async def test_b79_what_looks_like_a_file_is_data(admin: Person, service_integrations: Service, events: Events) -> None:
    hook = await connect(admin)
    forged = {
        "files": {"upload": {"path": "/etc/passwd", "filename": "x"}},
        "path": "/etc/passwd",
        "__proto__": {"a": 1},
    }
    assert (await deliver(admin, hook, json.dumps(forged).encode())).status_code == 200
    await forwarded(service_integrations)
    (event,) = events.of(admin)
    assert event["data"] == forged


async def test_b76_unsigned_deliveries(admin: Person, service_integrations: Service, events: Events) -> None:
    hook = await connect(admin)
    good = signed("github", b"{}")
    path = f"/hooks/{hook['id']}"
    for headers in ({}, {**good, "x-hub-signature-256": "sha256=00"}, {"x-hub-signature": "sha1=00"}):
        answer = await admin.api.post(path, content=b"{}", headers={"content-type": "application/json", **headers})
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:floyo:problem:signature-invalid")
    changed = await admin.api.post(path, content=b"{ }", headers={"content-type": "application/json", **good})
    assert changed.status_code == 401
    await forwarded(service_integrations)
    assert events.of(admin) == []


async def test_b77_old_deliveries(admin: Person) -> None:
    hook = await connect(admin, "slack")
    old = signed("slack", b"{}", int(time.time()) - 360)
    assert (await deliver(admin, hook, b"{}", scheme="slack", headers=old)).status_code == 401


async def test_b80_only_named_networks_may_deliver(admin: Person) -> None:
    hook = await connect(admin, networks=["10.0.0.1", "192.168.0.0/16"])
    spoofed = {"x-forwarded-for": "10.0.0.1", "x-real-ip": "10.0.0.1", "forwarded": "for=10.0.0.1"}
    assert (await deliver(admin, hook, b"{}", headers=spoofed)).status_code == 403
    assert not hooks._is_within("10.0.0.10", ["10.0.0.1/32"])
    assert hooks._is_within("10.0.0.1", ["10.0.0.1/32"])
    near = await connect(admin, networks=["127.0.0.0/8"])
    assert (await deliver(admin, near, b"{}")).status_code == 200


async def test_unknown_hooks_are_missing(admin: Person) -> None:
    for hook_id in ("018f3c00-0000-7000-8000-000000000000", "../x", "x"):
        answer = await admin.api.post(f"/hooks/{hook_id}", json={})
        assert answer.status_code in (404, 422)


async def test_slacks_challenge_is_answered_and_kept_nowhere(
    admin: Person, service_integrations: Service, events: Events
) -> None:
    hook = await connect(admin, "slack")
    body = b'{"type": "url_verification", "challenge": "abc"}'
    assert (await deliver(admin, hook, body, scheme="slack")).json() == {"duplicate": False, "challenge": "abc"}
    assert (await admin.api.post(f"/hooks/{hook['id']}", content=body)).status_code in (401, 415)
    await forwarded(service_integrations)
    assert events.of(admin) == []


async def test_an_outage_of_events_loses_nothing(admin: Person, service_integrations: Service, events: Events) -> None:
    hook = await connect(admin)
    events.away = True
    await deliver(admin, hook, b"{}", headers={"x-github-delivery": "d-1", "x-github-event": "push"})
    await deliver(admin, hook, b"{}", headers={"x-github-delivery": "d-2", "x-github-event": "bad"})
    await forwarded(service_integrations)
    events.away = False
    async with service_integrations.database.system() as session:
        await session.execute(sa.update(hook_delivery).values(due_at=sa.func.now()))
    await forwarded(service_integrations)
    assert len(events.of(admin)) == 2
    async with service_integrations.database.system() as session:
        rows = (await session.execute(sa.select(hook_delivery).filter_by(hook_id=UUID(hook["id"])))).all()
    assert all(row.forwarded_at and row.event is None for row in rows)
    assert sorted(row.problem or "" for row in rows) == ["", "no"]


async def test_secrets_made_here_are_shown_once_and_rotate(admin: Person) -> None:
    made = await admin.create("http", {"base_url": "https://api.example.com"}, {})
    path = f"/integrations/{made['id']}/hooks"
    hook = (await admin.api.post(path, json={"scheme": "standard-webhooks"})).json()
    assert hook["secret"].startswith("whsec_")
    listed = (await admin.api.get(path)).json()["items"]
    assert [item["secret"] for item in listed] == [None]
    given = await connect(admin)
    rotated = f"/integrations/{given['integration']}/hooks/{given['id']}/secret"
    assert (await admin.api.post(rotated, json={"secret": "another-secret"})).json() == {"secret": None}
    assert (await deliver(admin, given, b"{}")).status_code == 200
    assert (await admin.api.post(rotated, json={})).json()["secret"]
    assert (await deliver(admin, given, b"{}")).status_code == 401


async def test_what_a_connector_does_not_declare(admin: Person) -> None:
    made = await admin.create("webhook", {"url": "https://hooks.example.com"}, {"signing_secret": SECRET})
    path = f"/integrations/{made['id']}/hooks"
    assert (await admin.api.post(path, json={})).json()["scheme"] == "standard-webhooks"
    assert (await admin.api.post(path, json={"scheme": "stripe", "secret": SECRET})).status_code == 422
    other = await admin.create("http", {"base_url": "https://api.example.com"}, {})
    path = f"/integrations/{other['id']}/hooks"
    for body in ({"scheme": "stripe"}, {"networks": ["x"]}, {"scheme": "x"}, {"secret": "short"}):
        assert (await admin.api.post(path, json=body)).status_code == 422


async def test_b23_foreign_hooks_are_missing(admin: Person, enter: Enter) -> None:
    hook = await connect(admin)
    stranger = await enter("owner")
    path = f"/integrations/{hook['integration']}/hooks"
    answers = [
        await stranger.api.get(path),
        await stranger.api.post(path, json={"scheme": "github"}),
        await stranger.api.post(f"{path}/{hook['id']}/secret", json={}),
        await stranger.api.delete(f"{path}/{hook['id']}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert (await admin.api.delete(f"{path}/{hook['id']}")).status_code == 204
    assert (await deliver(admin, hook, b"{}")).status_code == 404


@pytest.mark.parametrize(
    ("scheme", "headers", "body", "expected"),
    [
        ("github", {"x-github-event": "push", "x-github-delivery": "d"}, b"{}", ("d", "push")),
        ("gitlab", {"x-gitlab-event": "Push Hook", "idempotency-key": "k"}, b'{"object_kind": "push"}', ("k", "push")),
        ("slack", {}, b'{"event_id": "Ev1", "event": {"type": "message"}}', ("Ev1", "message")),
        ("stripe", {}, b'{"id": "evt_1", "type": "charge.failed"}', ("evt_1", "charge.failed")),
        ("pagerduty", {}, b'{"event": {"id": "P1", "event_type": "incident.triggered"}}', ("P1", "incident.triggered")),
        ("standard-webhooks", {"webhook-id": "m"}, b'{"type": "x.y"}', ("m", "x.y")),
        ("twilio", {"i-twilio-idempotency-token": "t"}, b'{"MessageStatus": "sent"}', ("t", "sent")),
        ("stripe", {}, b'{"id": 5, "type": ["x"]}', (None, "received")),
        ("pagerduty", {}, b'{"event": "x"}', (None, "received")),
        ("github", {}, b"[]", (None, "received")),
    ],
)
def test_what_deliveries_say(
    scheme: str, headers: dict[str, str], body: bytes, expected: tuple[str | None, str]
) -> None:
    meaning = deliveries.understand(scheme, Delivery(headers, body, "https://example.com", 0))
    assert meaning.type == expected[1]
    assert meaning.delivery_id == expected[0] or (expected[0] is None and meaning.delivery_id.startswith("sha256:"))


@pytest.mark.parametrize("scheme", ["github", "gitlab"])
def test_published_payloads_are_understood(scheme: str) -> None:
    folder = sample_folder("webhooks")
    if folder is None:
        pytest.skip(ABSENT)
    files = sorted((folder / scheme).glob("*.json"))
    assert files
    for file in files:
        kind, _, action = file.stem.partition(".")
        headers = {"x-github-event": kind, "x-github-delivery": file.stem, "x-gitlab-event": "Some Hook"}
        meaning = deliveries.understand(scheme, Delivery(headers, file.read_bytes(), "https://example.com", 0))
        assert meaning.type
        if scheme == "github" and action:
            assert meaning.type.startswith(kind)
