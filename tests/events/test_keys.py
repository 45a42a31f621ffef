"""Idempotency-Key on everything that changes something: one effect, one answer."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.events.storage.tables import idempotency_key
from shared import clock, ids
from tests.events.processes import Process, Tenant

ERASE = "/api/v1/events?actor=ada"
RETENTION = "/api/v1/events/retention"
MUTATING = ("post", "put", "patch", "delete")


async def erase(tenant: Tenant, key: str | None, path: str = ERASE) -> Any:
    """An erasure, which is another job each time without a key."""
    return await tenant.client.delete(path, headers={} if key is None else {"Idempotency-Key": key})


async def test_the_same_key_answers_the_same_and_no_key_does_not(tenant: Tenant) -> None:
    first, again = await erase(tenant, "k"), await erase(tenant, "k")
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert (await erase(tenant, None)).json() != first.json()


async def test_requests_at_once_share_one_effect(tenant: Tenant) -> None:
    answers = await asyncio.gather(*(erase(tenant, "k") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1


async def test_b41_another_request_or_caller_under_the_key_is_refused(tenant: Tenant) -> None:
    await erase(tenant, "k")
    other = await erase(tenant, "k", "/api/v1/events?actor=grace")
    colleague = await tenant.as_role("admin").delete(ERASE, headers={"Idempotency-Key": "k"})
    long = await erase(tenant, "x" * 256)
    for answer in (other, colleague, long):
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:floyo:problem:idempotency-mismatch"


async def test_organisations_do_not_share_keys(tenant: Tenant, service_events: Process) -> None:
    first, second = await erase(tenant, "k"), await erase(Tenant(service_events), "k")
    assert first.status_code == second.status_code == 202
    assert first.json() != second.json()


async def test_what_fails_may_be_tried_again(tenant: Tenant) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await tenant.client.put(RETENTION, json={"days": 0}, headers=headers)).status_code == 422
    assert (await tenant.client.put(RETENTION, json={"days": 9}, headers=headers)).status_code == 200
    assert (await tenant.client.put(RETENTION, json={"days": 8}, headers=headers)).status_code == 422
    assert (await tenant.client.get(RETENTION)).json()["days"] == 9


async def test_a_key_is_no_way_around_rights(tenant: Tenant) -> None:
    await erase(tenant, "k")
    refused = await tenant.as_role("viewer").delete(ERASE, headers={"Idempotency-Key": "k2"})
    nobody = await tenant.process.client().delete(ERASE, headers={"Idempotency-Key": "k"})
    assert (refused.status_code, nobody.status_code) == (403, 401)


@pytest.mark.parametrize(("age", "status"), [(5, 409), (90, 202)], ids=["under way", "abandoned"])
async def test_a_claim_that_nobody_works_on_is_taken_over(
    tenant: Tenant, service_events: Process, monkeypatch: pytest.MonkeyPatch, age: int, status: int
) -> None:
    monkeypatch.setattr("shared.turns.WAIT_SECONDS", 0.3)
    first = await erase(tenant, "k")
    async with service_events.service.database.session(tenant.organization_id) as session:
        claim = {"status": None, "body": None, "created_at": clock.now() - timedelta(seconds=age)}
        await session.execute(sa.update(idempotency_key).values(**claim))
    again = await erase(tenant, "k")
    assert again.status_code == status
    assert again.text != first.text


async def test_what_is_missing_leaves_no_claim(tenant: Tenant) -> None:
    path = f"/api/v1/suggestions/{ids.new()}/dismiss"
    missing = await tenant.client.post(path, headers={"Idempotency-Key": "k"})
    assert missing.status_code == 404
    async with tenant.process.service.database.session(tenant.organization_id) as session:
        rows = (await session.execute(sa.select(idempotency_key))).all()
    assert rows == []


def test_every_route_that_changes_something_takes_a_key(service_events: Process) -> None:
    paths = service_events.public.openapi()["paths"]
    found = {
        f"{method} {path}": {item["name"].lower() for item in operation.get("parameters", [])}
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method in MUTATING
    }
    assert len(found) >= 10
    assert [route for route, names in found.items() if "idempotency-key" not in names] == []
