"""From events to suggestions to workflows."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared import ids
from shared.service import Service
from tests.events.processes import Process, Tenant
from tests.events.siblings import Workflows
from tests.events.waiting import until

NOISE = [f"noise.{number}" for number in range(12)]


def routine(days: int = 12, runs: int = 4, seed: int = 7) -> list[dict[str, Any]]:
    """Days of noise in which each `order.received` is followed by two more steps."""
    chance = random.Random(seed)
    start = datetime(2026, 1, 5, 8, tzinfo=UTC)
    events: list[dict[str, Any]] = []
    for day in range(days):
        moment = start + timedelta(days=day)
        for run in range(runs):
            for _ in range(chance.randint(4, 8)):
                moment += timedelta(seconds=chance.randint(20, 200))
                events.append({"source": "desk", "type": chance.choice(NOISE), "time": moment.isoformat()})
            for kind in ("order.received", "invoice.created", "message.sent"):
                moment += timedelta(seconds=chance.randint(5, 20))
                data = {"order": f"o-{day}-{run}"}
                events.append({"source": "desk", "type": kind, "time": moment.isoformat(), "data": data})
            moment += timedelta(minutes=70)
    return [{**event, "actor": "ada"} for event in events]


async def mine(tenant: Tenant) -> dict[str, Any]:
    """Mines and waits for the end."""
    started = await tenant.client.post("/api/v1/patterns/mine")
    assert started.status_code == 202, started.text
    path = f"/api/v1/events/jobs/{started.json()['job_id']}"

    async def ask() -> dict[str, Any]:
        answer: dict[str, Any] = (await tenant.client.get(path)).json()
        return answer

    return await until(ask, lambda job: job["status"] in {"succeeded", "failed"}, 60)


@pytest.fixture
async def mined(service_worker: Service, tenant: Tenant) -> Tenant:
    """A tenant with a routine found."""
    answer = await tenant.client.post("/api/v1/events/batch", json=routine())
    assert not answer.json()["rejected"]
    job = await mine(tenant)
    assert job["status"] == "succeeded", job
    assert job["kind"] == "mining"
    return tenant


async def test_a_routine_becomes_pattern_suggestion_and_workflow(mined: Tenant, workflows: Workflows) -> None:
    patterns = (await mined.client.get("/api/v1/patterns")).json()["items"]
    found = next(item for item in patterns if item["steps"][0]["type"] == "order.received")
    assert found["kind"] == "sequence"
    assert found["support"] >= 40
    assert found["actors"] == 1
    assert (await mined.client.get(f"/api/v1/patterns/{found['id']}")).json() == found
    rules = (await mined.client.get("/api/v1/patterns?kind=rule")).json()["items"]
    assert "median_seconds" in next(item for item in rules if item["steps"][0]["type"] == "order.received")["details"]
    event = (await mined.client.get(f"/api/v1/events/{found['evidence'][0]}")).json()
    assert event["type"] == "order.received"

    suggestions = (await mined.client.get("/api/v1/suggestions")).json()["items"]
    best = suggestions[0]
    assert best["status"] == "open"
    assert best["workflow"]["trigger"]["match"]["type"] == "order.received"
    assert set(best["backtest"]) == {"would_have_fired", "matched", "missed", "wrong", "learned", "examples"}
    assert best["backtest"]["matched"] > 5
    assert best["person"] == "ada"
    assert best["minutes"]["runs_per_week"] > 20
    assert {item["kind"] for item in best["parameters"]} == {"variable"}
    cited = [name for item in best["parameters"] for name in item["evidence"]]
    cited += [name for runs in best["backtest"]["examples"].values() for run in runs for name in run]
    assert cited
    for name in set(cited):
        assert (await mined.client.get(f"/api/v1/events/{name}")).status_code == 200

    path = f"/api/v1/suggestions/{best['id']}"
    first = await mined.client.post(f"{path}/apply")
    again = await mined.client.post(f"{path}/apply")
    assert (first.status_code, again.status_code) == (201, 200), first.text
    made, rehearsal = str(workflows.origins[best["id"]]), workflows.rehearsals[best["id"]]
    assert first.json() == again.json() == {"workflow_id": made, "dry_run_id": rehearsal, "missing": []}
    assert workflows.definitions[-1] == best["workflow"]
    assert workflows.history[rehearsal]["event"]["id"] == best["evidence"][0]
    shown = (await mined.client.get(path)).json()
    assert shown["dry_run_id"] == rehearsal
    assert (shown["status"], shown["workflow_id"]) == ("applied", first.json()["workflow_id"])
    assert (await mined.client.post(f"{path}/dismiss")).status_code == 409


async def test_mining_again_keeps_ids_and_what_was_decided(mined: Tenant) -> None:
    before = (await mined.client.get("/api/v1/suggestions")).json()["items"]
    path = f"/api/v1/suggestions/{before[0]['id']}"
    assert (await mined.client.post(f"{path}/bookmark")).status_code == 204
    assert (await mined.client.get(path)).json()["status"] == "bookmarked"
    assert (await mined.client.post(f"{path}/dismiss")).status_code == 204
    await mined.client.post("/api/v1/events/batch", json=[{"source": "x", "type": "y", "time": "2026-01-17T08:00:00Z"}])
    assert (await mine(mined))["status"] == "succeeded"
    after = (await mined.client.get("/api/v1/suggestions")).json()["items"]
    assert [item["id"] for item in after] == [item["id"] for item in before]
    assert after[0]["status"] == "dismissed"


async def test_a_new_suggestion_is_told_once(mined: Tenant, events_urls: dict[str, str]) -> None:
    found = (await mined.client.get("/api/v1/suggestions")).json()["items"]
    assert (await mine(mined))["status"] == "succeeded"
    connection = await asyncpg.connect(events_urls["admin"])
    try:
        query = "SELECT recipient, body FROM outbox WHERE type = 'suggestion.created' AND key = $1"
        rows = await connection.fetch(query, str(mined.organization_id))
    finally:
        await connection.close()
    assert {row["recipient"] for row in rows} == {"integrations"}
    told = [json.loads(row["body"]) for row in rows]
    assert sorted(item["suggestion_id"] for item in told) == sorted(item["id"] for item in found)
    assert {item["title"] for item in told} == {item["title"] for item in found}


async def test_a_replay_reads_the_data_that_its_condition_asks_for(service_worker: Service, tenant: Tenant) -> None:
    events: list[dict[str, Any]] = []
    for number in range(60):
        moment = datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(hours=12 * number)
        branch = "main" if number % 3 else "dev"
        kinds = ("build.failed", "message.posted") if branch == "main" else ("build.failed", f"noise.{number}")
        events += [
            {"source": "ci", "type": kind, "actor": "ada", "subject": "shop", "data": {"branch": branch},
             "time": (moment + timedelta(seconds=30 * place)).isoformat()}
            for place, kind in enumerate(kinds)
        ]  # fmt: skip
    await tenant.client.post("/api/v1/events/batch", json=events)
    assert (await mine(tenant))["status"] == "succeeded"
    (best,) = (await tenant.client.get("/api/v1/suggestions")).json()["items"]
    assert 'event.data.branch == "main"' in best["workflow"]["trigger"]["match"]["where"]
    assert best["backtest"]["matched"] == best["backtest"]["would_have_fired"] >= 10
    assert (best["backtest"]["wrong"], best["backtest"]["missed"]) == (0, 0)


async def test_suggestions_of_others_are_not_there(mined: Tenant, service_events: Process) -> None:
    best = (await mined.client.get("/api/v1/suggestions")).json()["items"][0]
    stranger = Tenant(service_events)
    for path in (f"/suggestions/{best['id']}", f"/patterns/{best['pattern_id']}", f"/suggestions/{UUID(int=1)}"):
        assert (await stranger.client.get(f"/api/v1{path}")).status_code == 404
    for verb in ("apply", "dismiss", "bookmark"):
        assert (await stranger.client.post(f"/api/v1/suggestions/{best['id']}/{verb}")).status_code == 404
    viewer = mined.as_role("viewer")
    assert (await viewer.post(f"/api/v1/suggestions/{best['id']}/dismiss")).status_code == 403
    assert (await viewer.post("/api/v1/patterns/mine")).status_code == 403


async def test_an_empty_history_is_mined_too(service_worker: Service, tenant: Tenant) -> None:
    assert (await mine(tenant))["status"] == "succeeded"
    assert (await tenant.client.get("/api/v1/patterns")).json() == {"items": [], "next_cursor": None}
    assert (await tenant.client.get(f"/api/v1/events/jobs/{ids.new()}")).status_code == 404


@pytest.mark.parametrize("day", ["0", "1767225600", "2026-02-30", "2026-01-01T00:00:00Z", ""])
async def test_stats_take_days_of_the_calendar_alone(tenant: Tenant, day: str) -> None:
    answer = await tenant.client.get("/api/v1/stats", params={"last": day})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/query/last"


async def test_stats_follow_the_log(service_worker: Service, tenant: Tenant) -> None:
    events = [
        {"source": "s", "type": "a", "actor": "ada", "time": "2026-01-01T23:59:00Z"},
        {"source": "s", "type": "b", "actor": "ada", "time": "2026-01-02T00:00:00Z"},
        {"source": "s", "type": "a", "time": "2026-01-02T00:00:00+02:00"},
    ]
    await tenant.client.post("/api/v1/events/batch", json=events)

    async def ask() -> dict[str, Any]:
        answer: dict[str, Any] = (await tenant.client.get("/api/v1/stats")).json()
        return answer

    stats = await until(ask, lambda answer: answer["total"] == 3)
    assert stats == {
        "total": 3,
        "by_day": [{"day": "2026-01-01", "count": 2}, {"day": "2026-01-02", "count": 1}],
        "by_type": [{"type": "a", "count": 2}, {"type": "b", "count": 1}],
        "by_actor": [{"actor": "ada", "count": 2}],
    }
    later = (await tenant.client.get("/api/v1/stats?first=2026-01-02")).json()
    assert later["total"] == 1
