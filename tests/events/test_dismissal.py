"""What was dismissed stays dismissed, however the routine goes away and comes back."""

from typing import Any

import asyncpg
import pytest

from shared.service import Service
from tests.events.mining.test_suggesting import habitual
from tests.events.processes import Tenant
from tests.events.test_discovery import mine, routine
from tests.events.test_mining import others, send
from tests.events.waiting import until


def later(events: list[dict[str, Any]], months: str) -> list[dict[str, Any]]:
    """The same in another month of the year."""
    return [{**event, "time": event["time"].replace("2026-01", months)} for event in events]


async def listed(tenant: Tenant) -> dict[str, dict[str, Any]]:
    """Suggestions by the type that begins them, after another mining."""
    assert (await mine(tenant))["status"] == "succeeded"
    items = (await tenant.client.get("/api/v1/suggestions?limit=200")).json()["items"]
    return {item["workflow"]["trigger"]["match"]["type"]: item for item in items}


async def dismissed(tenant: Tenant, kind: str) -> str:
    """Dismisses the suggestion that begins so; its path."""
    path = f"/api/v1/suggestions/{(await listed(tenant))[kind]['id']}"
    assert (await tenant.client.post(f"{path}/dismiss")).status_code == 204
    return path


async def erase(tenant: Tenant, actor: str) -> None:
    """Erases somebody and waits for the end."""
    asked = await tenant.client.delete(f"/api/v1/events?actor={actor}")
    path = f"/api/v1/events/jobs/{asked.json()['job_id']}"

    async def ask() -> dict[str, Any]:
        answer: dict[str, Any] = (await tenant.client.get(path)).json()
        return answer

    await until(ask, lambda job: job["status"] == "succeeded", 60)


async def patterns(tenant: Tenant) -> set[str]:
    """The types that begin the patterns in force."""
    items = (await tenant.client.get("/api/v1/patterns?limit=200")).json()["items"]
    return {item["steps"][0]["type"] for item in items}


async def test_a_routine_that_left_the_window_and_came_back_stays_dismissed(
    service_worker: Service, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = service_worker.settings.model_copy(update={"mining_events": 400})
    monkeypatch.setattr(service_worker, "settings", few)
    await send(tenant, routine())
    path = await dismissed(tenant, "order.received")
    for day in range(3):
        noise = [{**event, "type": f"noise.{number % 90}"} for number, event in enumerate(routine(12, seed=day))]
        await send(tenant, later(noise, f"2026-0{day + 2}"))
        await mine(tenant)
    assert "order.received" not in await patterns(tenant)
    await send(tenant, later(routine(14, seed=21), "2026-06"))
    back = (await listed(tenant))["order.received"]
    assert "order.received" in await patterns(tenant)
    assert (f"/api/v1/suggestions/{back['id']}", back["status"]) == (path, "dismissed")


async def test_a_routine_that_was_erased_and_came_back_stays_dismissed(
    service_worker: Service, tenant: Tenant, events_urls: dict[str, str]
) -> None:
    mine_, hers = routine(), others("bob", 8)
    own = [{**event, "type": event["type"].replace("order.received", "parcel.received")} for event in hers]
    await send(tenant, mine_ + own)
    path = await dismissed(tenant, "parcel.received")
    pattern = f"/api/v1/patterns/{(await tenant.client.get(path)).json()['pattern_id']}"
    assert (await tenant.client.get(pattern)).status_code == 200
    await erase(tenant, "bob")
    assert "parcel.received" not in await patterns(tenant)
    assert [(await tenant.client.get(gone)).status_code for gone in (path, pattern)] == [404, 404]
    assert (await tenant.client.post(f"{path}/apply")).status_code == 404
    assert await _left(events_urls, tenant, "parcel") == await _left(events_urls, tenant, "bob") == 0
    await send(tenant, later([{**event, "actor": "cleo"} for event in own], "2026-03"))
    back = (await listed(tenant))["parcel.received"]
    assert (back["status"], back["person"]) == ("dismissed", "cleo")
    assert (await tenant.client.get(path)).json() == back | {"status": "dismissed"}


async def test_a_routine_that_is_named_more_closely_stays_dismissed(service_worker: Service, tenant: Tenant) -> None:
    """Few orders a shop: any shop is a step of the routine; many orders of one: that shop is."""

    def told(events: list[dict[str, Any]], shops: int) -> list[dict[str, Any]]:
        named = [int(event.get("data", {}).get("order", "o-0-0").split("-")[1]) % shops for event in events]
        return [{**event, "subject": f"shop {chr(97 + name)}"} for event, name in zip(events, named, strict=True)]

    await send(tenant, told(routine(12, runs=4), 12))
    path = await dismissed(tenant, "order.received")
    before = (await tenant.client.get(path)).json()
    assert before["workflow"]["trigger"]["match"].get("where") is None
    await send(tenant, later(told(routine(27, runs=4, seed=3), 2), "2026-03"))
    assert "dismissed" in {item["status"] for item in (await listed(tenant)).values()}
    answer = await tenant.client.get("/api/v1/suggestions?status=open")
    assert {item["workflow"]["trigger"]["type"] for item in answer.json()["items"]} == {"absence"}
    items = (await tenant.client.get("/api/v1/patterns?kind=sequence")).json()["items"]
    assert "exact" in {step["level"] for item in items for step in item["steps"]}


async def test_a_habit_of_somebody_who_is_erased_leaves_no_key(
    service_worker: Service, tenant: Tenant, events_urls: dict[str, str]
) -> None:
    await send(tenant, habitual("backup.ended"))
    await dismissed(tenant, "backup.ended")
    await erase(tenant, "ann")
    assert await _left(events_urls, tenant, "%") - await _left(events_urls, tenant, "dismissed") == 1, "what was mined"


async def test_an_applied_one_that_was_erased_keeps_its_workflow(service_worker: Service, tenant: Tenant) -> None:
    await send(tenant, routine())
    found = (await listed(tenant))["order.received"]
    applied = (await tenant.client.post(f"/api/v1/suggestions/{found['id']}/apply")).json()
    await erase(tenant, "ada")
    await send(tenant, later([{**event, "actor": "cleo"} for event in routine()], "2026-03"))
    back = (await listed(tenant))["order.received"]
    assert (back["status"], back["workflow_id"]) == ("applied", applied["workflow_id"])


async def _left(urls: dict[str, str], tenant: Tenant, word: str) -> int:
    """In how many rows of what was derived the word still stands."""
    connection = await asyncpg.connect(urls["admin"])
    try:
        return sum([
            await connection.fetchval(
                f"SELECT count(*) FROM {table} AS t WHERE organization_id = $1 AND t::text LIKE $2",
                tenant.organization_id, f"%{word}%",
            )
            for table in ("pattern", "suggestion", "decision", "mining_state")
        ])  # fmt: skip
    finally:
        await connection.close()
