"""Mining on the real database: read once, whatever the batches; erased as if never seen; told with reasons."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.events.domain import reading
from shared import ids
from shared.service import Service
from tests.events.processes import Process, Tenant, sibling_headers
from tests.events.siblings import Workflows
from tests.events.test_discovery import mine, routine
from tests.events.waiting import until

ANONYMOUS = ("id", "pattern_id", "evidence", "workflow_id", "dry_run_id", "created_at", "parameters", "conditions")


async def send(tenant: Tenant, events: list[dict[str, Any]]) -> None:
    for start in range(0, len(events), 1_000):
        answer = await tenant.client.post("/api/v1/events/batch", json=events[start : start + 1_000])
        assert answer.json()["rejected"] == [], answer.text


async def found(tenant: Tenant) -> tuple[Any, Any]:
    """Patterns and suggestions without what differs between organisations; how often each event was cited stays."""
    assert (await mine(tenant))["status"] == "succeeded"
    patterns = (await tenant.client.get("/api/v1/patterns?limit=200")).json()["items"]
    suggestions = (await tenant.client.get("/api/v1/suggestions?limit=200")).json()["items"]
    return _plain(patterns), _plain(suggestions)


def _plain(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    plain = []
    for item in items:
        shown = {name: value for name, value in item.items() if name not in ANONYMOUS}
        report = {name: value for name, value in item.get("backtest", {}).items() if name != "examples"}
        plain.append({**shown, "backtest": report, "cited": len(item["evidence"])})
    return sorted(plain, key=str)


def others(actor: str, seed: int) -> list[dict[str, Any]]:
    """Another person's days, with a routine of their own beside the common one."""
    events = routine(seed=seed)
    own = [{**event, "type": event["type"].replace("message.sent", "parcel.packed")} for event in events]
    return [{**event, "actor": actor} for event in own]


async def test_erasing_an_actor_is_as_if_there_had_been_none(
    service_worker: Service, tenant: Tenant, service_events: Process
) -> None:
    alone = Tenant(service_events)
    await send(alone, routine())
    expected = await found(alone)
    await send(tenant, routine() + others("bob", 8))
    both = await found(tenant)
    assert both != expected
    assert "parcel.packed" in str(both)
    erased = await tenant.client.delete("/api/v1/events?actor=bob")
    path = f"/api/v1/events/jobs/{erased.json()['job_id']}"

    async def ask() -> dict[str, Any]:
        answer: dict[str, Any] = (await tenant.client.get(path)).json()
        return answer

    assert (await until(ask, lambda job: job["status"] == "succeeded", 60))["accepted"] > 100
    assert await found(tenant) == expected


@pytest.mark.parametrize("size", [97, 400])
async def test_many_batches_are_as_one(
    service_worker: Service, tenant: Tenant, service_events: Process, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Events in pieces, some of them late, mined after each piece and read in small batches, are as one look."""
    events = routine()
    whole = Tenant(service_events)
    await send(whole, events)
    expected = await found(whole)
    monkeypatch.setattr(reading, "BATCH", size)
    late, rest = events[::5], [event for place, event in enumerate(events) if place % 5]
    for piece in (rest[:200], rest[200:], late):
        await send(tenant, piece)
        last = await found(tenant)
    assert last == expected


async def test_what_was_read_is_kept_and_read_no_more(
    service_worker: Service, tenant: Tenant, events_urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = routine()
    await send(tenant, events)
    await mine(tenant)
    connection = await asyncpg.connect(events_urls["admin"])
    try:
        query = "SELECT number, events FROM mining_chunk WHERE organization_id = $1 ORDER BY number"
        (only,) = await connection.fetch(query, tenant.organization_id)
        assert 0 < only["events"] <= len(events)
        few = service_worker.settings.model_copy(update={"mining_events": 1_000})
        monkeypatch.setattr(service_worker, "settings", few)
        monkeypatch.setattr(reading, "BATCH", 300)
        await send(tenant, routine(days=30, seed=3))
        job = await mine(tenant)
        rows = await connection.fetch(query, tenant.organization_id)
        total = sum(row["events"] for row in rows)
        assert total - rows[0]["events"] < 1_000 <= job["accepted"] <= total + 50
        assert all(row["events"] <= 300 for row in rows[1:])
    finally:
        await connection.close()


async def test_effects_of_runs_add_no_support(service_worker: Service, tenant: Tenant, service_events: Process) -> None:
    await send(tenant, routine())
    before = await found(tenant)
    cause = {"run_id": str(ids.new()), "depth": 0}
    echoes = [{**event, "id": str(ids.new())} for event in routine(days=30)][:1_000]
    path = "/internal/events"
    for start in range(0, 1_000, 500):
        body = {"organization_id": str(tenant.organization_id), "events": echoes[start : start + 500], "cause": cause}
        headers = sibling_headers("workflows", "POST", path)
        answer = await service_events.client(internal=True).post(path, json=body, headers=headers)
        assert answer.json()["accepted"] == 500, answer.text
    graph = (await tenant.client.get("/api/v1/patterns/graph")).json()
    assert sum(node["count"] for node in graph["nodes"]) == len(routine())
    assert await found(tenant) == before


async def _explained(tenant: Tenant, wanted: str) -> None:
    async def ask() -> dict[str, Any]:
        answer: dict[str, Any] = (await tenant.client.get("/api/v1/suggestions")).json()
        return answer

    answer = await until(ask, lambda answer: wanted in str(answer["explanation"]))
    assert answer["items"] == []


async def test_an_empty_list_says_why(service_worker: Service, tenant: Tenant) -> None:
    await _explained(tenant, "no activity has been recorded")
    for day, missing in ((1, "2 more days of activity"), (2, "1 more day of activity"), (3, "nobody has looked")):
        await tenant.post({"source": "s", "type": "t", "actor": "ada", "time": f"2026-01-0{day}T08:00:00Z"})
        await _explained(tenant, missing)
    await mine(tenant)
    await _explained(tenant, "in 3 events nothing repeats")


async def test_settings_ration_suggestions_and_hide_small_teams(
    service_worker: Service, tenant: Tenant, service_events: Process
) -> None:
    path = "/api/v1/patterns/settings"
    assert (await tenant.client.get(path)).json() == {
        "zone": "UTC", "zones": {}, "least_actors": 3, "suggestions_per_week": 7, "alert_channel": None,
    }  # fmt: skip
    for wrong in (
        {"zone": "Mars/Olympus"}, {"zones": {"ada": "../etc/passwd"}}, {"least_actors": 0}, {"more": 1},
        {"alert_channel": "{{ run.id }}"}, {"alert_channel": ""},
    ):  # fmt: skip
        assert (await tenant.client.put(path, json=wrong)).status_code == 422, wrong
    assert (await tenant.as_role("viewer").put(path, json={})).status_code == 403
    chosen = {"zone": "Europe/Oslo", "zones": {"ada": "Asia/Tokyo"}, "least_actors": 3, "suggestions_per_week": 0}
    chosen["alert_channel"] = "#ops"
    assert (await tenant.client.put(path, json=chosen)).json() == chosen
    await send(tenant, routine())
    await mine(tenant)
    await _explained(tenant, "more wait")
    await tenant.client.put(path, json={**chosen, "suggestions_per_week": 1})
    await mine(tenant)
    assert len((await tenant.client.get("/api/v1/suggestions")).json()["items"]) == 1

    pair = Tenant(service_events)
    # Each of two people has too few runs to call the routine theirs.
    split = [{**event, "actor": "ada" if event["time"] < "2026-01-07" else "bob"} for event in routine(days=4, runs=4)]
    await send(pair, split)
    patterns, _ = await found(pair)
    assert patterns == []
    await pair.client.put(path, json={"least_actors": 2})
    patterns, _ = await found(pair)
    assert {pattern["actors"] for pattern in patterns} == {2}


async def _offered(tenant: Tenant) -> list[str]:
    """To whom there are suggestions after another mining, one name a suggestion."""
    assert (await mine(tenant))["status"] == "succeeded"
    return sorted(str(item["person"]) for item in (await tenant.client.get("/api/v1/suggestions")).json()["items"])


async def test_each_person_is_told_the_weekly_number_and_more_in_the_week_after(
    service_worker: Service, tenant: Tenant, events_urls: dict[str, str]
) -> None:
    await tenant.client.put("/api/v1/patterns/settings", json={"suggestions_per_week": 1})
    second = [
        {**event, "type": f"other.{event['type']}", "time": event["time"].replace("2026-01", "2026-02")}
        for event in routine(seed=9)
    ]
    await send(tenant, routine() + second + others("bob", 8))
    assert await _offered(tenant) == ["ada", "bob"]
    assert await _offered(tenant) == ["ada", "bob"]
    connection = await asyncpg.connect(events_urls["admin"])
    try:
        query = "UPDATE suggestion SET created_at = created_at - interval '8 days' WHERE organization_id = $1"
        await connection.execute(query, tenant.organization_id)
    finally:
        await connection.close()
    assert await _offered(tenant) == ["ada", "ada", "bob", "bob"]


async def test_decisions_are_kept_and_teach_confidence(
    service_worker: Service, tenant: Tenant, events_urls: dict[str, str], service_events: Process, workflows: Workflows
) -> None:
    await send(tenant, routine())
    await mine(tenant)
    (best,) = (await tenant.client.get("/api/v1/suggestions")).json()["items"][:1]
    applied = (await tenant.client.post(f"/api/v1/suggestions/{best['id']}/apply")).json()
    for revision, active in enumerate((False, True, True, False), start=1):
        await _switched(service_events, tenant, applied["workflow_id"], active=active, revision=revision)
    connection = await asyncpg.connect(events_urls["admin"])
    try:
        query = "SELECT decision, certainty, decided_by FROM decision WHERE organization_id = $1 ORDER BY id"
        rows = await connection.fetch(query, tenant.organization_id)
    finally:
        await connection.close()
    assert [row["decision"] for row in rows] == ["applied", "switched_on", "switched_off"]
    assert rows[0]["decided_by"].startswith("user:")
    assert {row["certainty"] for row in rows} == {best["confidence"]}
    await mine(tenant)
    again = (await tenant.client.get(f"/api/v1/suggestions/{best['id']}")).json()
    assert again["confidence"] == pytest.approx(best["confidence"] * 5 / 6, abs=1e-3)


async def _switched(process: Process, tenant: Tenant, workflow_id: str, *, active: bool, revision: int) -> None:
    body = {
        "trigger_id": workflow_id, "organization_id": str(tenant.organization_id), "workflow_id": workflow_id,
        "match": {"source": "nowhere"}, "active": active, "revision": revision,
        "changed_at": (datetime.now(UTC) + timedelta(seconds=revision)).isoformat(),
    }  # fmt: skip
    envelope = {"id": str(ids.new()), "type": "workflow.trigger_changed", "version": 1, "trace_id": "0" * 32}
    headers = sibling_headers("workflows", "POST", "/internal/messages")
    message = {**envelope, "body": body}
    sent = await process.client(internal=True).post("/internal/messages", json=message, headers=headers)
    assert sent.status_code < 300, sent.text


async def test_a_story_is_told_from_pattern_to_effect(
    service_worker: Service, tenant: Tenant, workflows: Workflows
) -> None:
    await send(tenant, routine())
    await mine(tenant)
    best = (await tenant.client.get("/api/v1/suggestions")).json()["items"][0]
    applied = (await tenant.client.post(f"/api/v1/suggestions/{best['id']}/apply")).json()
    story = (await tenant.client.get(f"/api/v1/events/{best['evidence'][0]}/lineage")).json()
    (run,) = story["runs"]
    assert story["complete"]
    assert best["pattern_id"] in {item["id"] for item in story["patterns"]}
    assert (run["id"], run["suggestion_id"], run["version"]) == (applied["dry_run_id"], best["id"], 1)
    assert run["cause"] == {"kind": "event", "id": best["evidence"][0]}
    workflows.failures = 10
    try:
        short = (await tenant.client.get(f"/api/v1/events/{best['evidence'][0]}/lineage")).json()
    finally:
        workflows.failures = 0
    assert (short["complete"], short["runs"], short["suggestions"]) == (False, [], story["suggestions"])
