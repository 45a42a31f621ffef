"""What a person is likely to do next comes first among suggestions, and is told why; a switch ends it."""

import random
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
    """Two routines at no fixed time, one four times as frequent as the other, which a bell announces long before."""
    chance = random.Random(5)
    events: list[dict[str, Any]] = []

    def tell(day: int, hour: int, *kinds: str) -> None:
        moment = datetime(2026, 1, 5, hour, tzinfo=UTC) + timedelta(days=day, minutes=chance.uniform(0, 100))
        for place, kind in enumerate(kinds):
            time = (moment + timedelta(seconds=40 * place)).isoformat()
            events.append({"source": "desk", "type": kind, "actor": "ada", "time": time})

    for day in range(number):
        tell(day, 6, *FREQUENT)
        tell(day, 9, *FREQUENT)
        if day % 2:
            tell(day, 12, "bell.rung")
            tell(day, 15, *RARE)
    return events


@pytest.fixture
async def busy(service_worker: Service, tenant: Tenant) -> Tenant:
    """A tenant for whom both routines are suggested."""
    await tenant.client.post("/api/v1/events/batch", json=days())
    await mine(tenant)
    return tenant


async def listed(tenant: Tenant, **query: Any) -> list[dict[str, Any]]:
    answer = await tenant.client.get("/api/v1/suggestions", params={"status": "open", **query})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def begins(items: list[dict[str, Any]]) -> list[str]:
    return [ranking.first(item["workflow"])[1] for item in items]


async def test_the_likely_next_step_comes_first_and_says_so(busy: Tenant, service_events: Process) -> None:
    plain = await listed(busy)
    assert {FREQUENT[0], RARE[0]} <= set(begins(plain))
    await busy.post({"source": "desk", "type": "bell.rung", "actor": "ada"})
    ranked = await listed(busy, actor="ada")
    likely = (await busy.client.get("/api/v1/patterns/next?actor=ada")).json()["items"][0]
    assert begins(ranked)[0] == likely["type"] == RARE[0]
    assert f"is what ada is likely to do next ({likely['probability']:.0%})" in ranked[0]["reasoning"]
    assert await listed(busy, actor="ada") == ranked
    assert await _by_ones(busy) == ranked
    async with switched(service_events.service, NEXT_ACTION_RANK, enabled=False):
        assert await listed(busy, actor="ada") == plain
    assert await listed(busy, actor="nobody") == await listed(busy) == plain
    await busy.post({"source": "desk", "type": RARE[1], "actor": "ada"})
    assert begins(await listed(busy, actor="ada"))[0] == FREQUENT[0]


async def _by_ones(tenant: Tenant) -> list[dict[str, Any]]:
    """The same list, a page a suggestion."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while not found or cursor:
        query = {"status": "open", "actor": "ada", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        answer = (await tenant.client.get("/api/v1/suggestions", params=query)).json()
        found, cursor = found + answer["items"], answer["next_cursor"]
    return found
