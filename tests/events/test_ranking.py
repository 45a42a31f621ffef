"""What a person is likely to do next comes first among suggestions, and is told why; a switch ends it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.events.domain import ranking
from shared.flags import NEXT_ACTION_RANK
from shared.service import Service
from tests.events.processes import Process, Tenant
from tests.events.test_discovery import mine
from tests.fixtures.switches import switched

FREQUENT = ("order.received", "message.sent")
RARE = ("parcel.returned", "mail.sent")


def days(number: int = 60) -> list[dict[str, Any]]:
    """Two routines, one twice as frequent as the other; after a walk round the yard comes the rarer."""
    events: list[dict[str, Any]] = []
    for day in range(number):
        kinds = [*FREQUENT, *FREQUENT, *(("yard.walked", *RARE) if day % 2 else ())]
        for place, kind in enumerate(kinds):
            pause = 60 * (place // 2) if kind != "yard.walked" else 60 * 3
            moment = datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(days=day, minutes=pause, seconds=40 * place)
            events.append({"source": "desk", "type": kind, "actor": "ada", "time": moment.isoformat()})
    return events


@pytest.fixture
async def yard(service_worker: Service, tenant: Tenant) -> Tenant:
    """A tenant whose person has just walked round the yard."""
    await tenant.client.post("/api/v1/events/batch", json=days())
    await mine(tenant)
    await tenant.post({"source": "desk", "type": "yard.walked", "actor": "ada"})
    return tenant


async def listed(tenant: Tenant, **query: Any) -> list[dict[str, Any]]:
    answer = await tenant.client.get("/api/v1/suggestions", params={"status": "open", **query})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def begins(items: list[dict[str, Any]]) -> list[str]:
    return [ranking.first(item["workflow"])[1] for item in items]


async def test_the_likely_next_step_comes_first_and_says_so(yard: Tenant, service_events: Process) -> None:
    plain, ranked = await listed(yard), await listed(yard, actor="ada")
    assert begins(plain)[0] == FREQUENT[0]
    assert begins(ranked)[0] in {RARE[0], "yard.walked"}
    likely = (await yard.client.get("/api/v1/patterns/next?actor=ada")).json()["items"][0]
    assert likely["type"] == RARE[0]
    told = next(item for item in ranked if begins([item]) == [RARE[0]])
    assert f"is what ada is likely to do next ({likely['probability']:.0%})" in told["reasoning"]
    assert await listed(yard, actor="ada") == ranked
    paged: list[dict[str, Any]] = []
    cursor = ""
    while not paged or cursor:
        query = {"status": "open", "actor": "ada", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        answer = (await yard.client.get("/api/v1/suggestions", params=query)).json()
        paged, cursor = paged + answer["items"], answer["next_cursor"]
    assert paged == ranked
    async with switched(service_events.service, NEXT_ACTION_RANK, enabled=False):
        assert await listed(yard, actor="ada") == plain
    assert await listed(yard, actor="nobody") == plain
