"""Timers on a real database: each slot fires once, whoever finds it due; silence is noticed; limits hold."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.workflows.domain import sweeping, triggers, workflows
from services.workflows.domain.definition import Definition
from tests.workflows.stage import Gated, Stage, http, transform, until

pytestmark = pytest.mark.integration

HOURLY = {"type": "schedule", "cron": "0 * * * *", "catch_up": "one"}


async def _make_due(stage: Stage) -> None:
    await stage.execute("UPDATE trigger SET next_at = date_trunc('hour', now()) - interval '1 hour'")


async def test_a_due_slot_fires_once_among_many_workers(stage: Stage) -> None:
    for _ in range(30):
        await stage.workflow(transform("a"), trigger=HOURLY)
    await _make_due(stage)
    database = stage.service.database
    await asyncio.gather(*(sweeping.fire_timers(database) for _ in range(4)))
    await _make_due(stage)
    await asyncio.gather(*(sweeping.fire_timers(database) for _ in range(4)))
    assert await stage.execute("SELECT count(*), count(DISTINCT workflow_id) FROM run") == [(30, 30)]
    ((slot,),) = await stage.execute("SELECT DISTINCT cause->>'id' FROM run")
    assert datetime.fromisoformat(slot) == datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    ((next_at,),) = await stage.execute("SELECT DISTINCT next_at FROM trigger")
    assert timedelta() < next_at - datetime.now(UTC) <= timedelta(hours=1)


async def test_saving_the_same_schedule_again_loses_no_slot(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), trigger=HOURLY)
    await _make_due(stage)
    body = {"name": "New name", "trigger": HOURLY, "steps": [transform("a")]}
    async with stage.service.database.session(stage.organization_id) as session:
        await workflows.replace(session, stage.author, workflow, Definition.model_validate(body), if_match=None)
    assert (await sweeping.fire_timers(stage.service.database))[0] == 1


async def test_a_deactivated_schedule_rests(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), trigger=HOURLY)
    await _make_due(stage)
    async with stage.service.database.session(stage.organization_id) as session:
        await workflows.switch(session, stage.author, workflow, active=False)
    assert (await sweeping.fire_timers(stage.service.database))[0] == 0
    assert await stage.execute("SELECT next_at FROM trigger") == [(None,)]


async def _tell(stage: Stage, event_id: str, received_at: datetime) -> None:
    ((trigger_id,),) = await stage.execute("SELECT id FROM trigger")
    event: dict[str, Any] = {"id": event_id, "source": "backup", "type": "backup.done", "subject": None, "data": {},
             "time": received_at.isoformat(), "received_at": received_at.isoformat()}  # fmt: skip
    async with stage.service.database.system() as session:
        await triggers.match(session, [(trigger_id, stage.organization_id, event)])


async def test_silence_fires_once_for_each_last_event(stage: Stage) -> None:
    trigger = {"type": "absence", "match": {"type": "backup.done"}, "within": "PT26H"}
    await stage.workflow(transform("a", "{{ event.id }}"), trigger=trigger)
    database, now = stage.service.database, datetime.now(UTC)
    await _tell(stage, "monday", now - timedelta(hours=50))
    await _tell(stage, "tuesday", now - timedelta(hours=20))
    assert (await sweeping.fire_timers(database))[0] == 0, "tuesday's came in time"
    await stage.execute("UPDATE trigger SET next_at = now() - interval '1 second'")
    assert (await sweeping.fire_timers(database))[0] == 1
    await _tell(stage, "tuesday", now - timedelta(hours=27))
    assert (await sweeping.fire_timers(database))[0] == 0, "the same silence again"
    assert await stage.execute("SELECT cause->>'id' FROM run") == [("silence after tuesday",)]


def _limited(on_limit: str, key: str | None = None) -> dict[str, Any]:
    return {"concurrency": {"limit": 1, "on_limit": on_limit, **({"key": key} if key else {})}}


async def test_a_limit_queues_in_order(stage: Stage) -> None:
    workflow = await stage.workflow(http("b"), **_limited("queue", "input.key"))
    runs = [await stage.start(workflow, {"key": "x"}) for _ in range(3)]
    other = await stage.start(workflow, {"key": "y"})
    slow = Gated()
    async with stage.engine(slow) as engine:
        await engine.advance()
        await until(lambda: len(slow.asked) == 2)
        assert set(engine.active) == {runs[0], other}
        assert await sweeping.let_go(stage.service.database) == 0
        slow.gate.set()
        for run in runs:
            await stage.finish(engine, run)
            await asyncio.gather(*(sweeping.let_go(stage.service.database) for _ in range(3)))
            held = await stage.execute("SELECT count(*) FROM run WHERE finished_at IS NULL AND NOT held")
            assert held[0][0] <= 1


async def test_a_cancelled_run_makes_room(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), **_limited("queue"))
    first, second = await stage.start(workflow), await stage.start(workflow)
    await stage.cancel(first)
    assert await sweeping.let_go(stage.service.database) == 1
    async with stage.engine() as engine:
        assert (await stage.finish(engine, second))["status"] == "succeeded"


async def test_a_limit_skips(stage: Stage) -> None:
    from shared import errors

    workflow = await stage.workflow(transform("a"), **_limited("skip"))
    await stage.start(workflow)
    with pytest.raises(errors.Conflict):
        await stage.start(workflow)


async def test_a_limit_cancels_what_runs(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), **_limited("cancel_running"))
    first, second = await stage.start(workflow), await stage.start(workflow)
    assert (await stage.read(first))["status"] == "cancelled"
    assert (await stage.read(second))["status"] == "queued"


async def test_many_at_once_keep_to_the_limit(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), concurrency={"limit": 3})
    await asyncio.gather(*(stage.start(workflow) for _ in range(12)))
    assert await stage.execute("SELECT count(*) FILTER (WHERE held), count(*) FROM run") == [(9, 12)]


async def test_a_hook_fires_for_its_own_deliveries_alone(stage: Stage) -> None:
    hook, other = "01a20628-67d5-711c-b71b-3e6deedbad33", "01a20628-67d5-711c-b71b-3e6deedbad34"
    await stage.workflow(transform("a"), trigger={"type": "hook", "hook": hook})
    ((trigger_id, spec),) = await stage.execute("SELECT id, spec FROM trigger")
    assert spec["match"] == {"subject": f"hook:{hook}"}
    ((told,),) = await stage.execute("SELECT body->'match' FROM outbox WHERE body->>'trigger_id' IS NOT NULL")
    assert told == spec["match"]
    for event_id, subject in [("e1", f"hook:{hook}"), ("e2", f"hook:{other}"), ("e1", f"hook:{hook}")]:
        event = {"id": event_id, "source": "github", "type": "push", "subject": subject, "data": {"ref": "main"}}
        async with stage.service.database.system() as session:
            await triggers.match(session, [(trigger_id, stage.organization_id, event)])
    assert await stage.execute("SELECT count(*), min(cause->>'id') FROM run") == [(1, "e1")]


@pytest.mark.parametrize("limits", [{}, {"throttle": {"limit": 1_000, "per": "PT1M"}}], ids=["at once", "one by one"])
async def test_many_matches_start_each_run_once(stage: Stage, limits: dict[str, Any]) -> None:
    trigger = {"type": "event", "match": {"source": "shop"}}
    await stage.workflow(transform("a"), trigger=trigger, **limits)
    ((trigger_id,),) = await stage.execute("SELECT id FROM trigger")
    common = {"source": "shop", "type": "sold", "extensions": None}
    events: list[dict[str, Any]] = [
        {**common, "id": f"event-{number % 40}", "data": number % 40} for number in range(60)
    ]
    events[7] = {**events[7], "extensions": {"floyorun": str(stage.organization_id), "floyodepth": 1_000}}
    async with stage.service.database.system() as session:
        assert (
            await triggers.match(session, [(trigger_id, stage.organization_id, event) for event in events[:40]]) == 39
        )
        again = await triggers.match(session, [(trigger_id, stage.organization_id, event) for event in events])
    assert again == 0
    query = (
        "SELECT status, count(*), count(DISTINCT event->>'id'), count(due_at) FROM run GROUP BY status ORDER BY status"
    )
    assert await stage.execute(query) == [("failed", 1, 1, 0), ("queued", 39, 39, 39)]
    assert await stage.execute("SELECT count(*) FROM run WHERE trigger->>'data' <> substr(event->>'id', 7)") == [(0,)]
