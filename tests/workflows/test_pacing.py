"""Throttle and debounce on a real database: by key, in order, durable, and never in the way of a dry run."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.workflows.domain import plan, runs, sweeping, triggers
from services.workflows.domain.definition import Definition
from services.workflows.step import catalog
from shared import clock, errors, ids
from tests.workflows.stage import Stage, transform

pytestmark = pytest.mark.integration
KEYED = {"key": "input.key"}


def throttled(**more: Any) -> dict[str, Any]:
    return {"throttle": {"limit": 2, "per": "PT1H", **more}}


def debounced(**more: Any) -> dict[str, Any]:
    return {"debounce": {"quiet": "PT30S", **more}}


async def waits(stage: Stage) -> list[float]:
    """Seconds until each queued run is due, in the order of their start."""
    found = await stage.execute(
        "SELECT extract(epoch FROM due_at - clock_timestamp()) FROM run WHERE status = 'queued' ORDER BY id"
    )
    return [max(0.0, float(seconds)) for (seconds,) in found]


async def test_a_throttle_puts_off_in_order(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), **throttled())
    for _ in range(5):
        await stage.start(workflow)
    assert await waits(stage) == pytest.approx([0, 0, 3600, 3600, 7200], abs=5)


async def test_a_throttle_counts_by_key_and_whoever_starts_at_once(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), **throttled(**KEYED))
    await asyncio.gather(*(stage.start(workflow, {"key": name}) for name in "xxxyyy"))
    assert sorted(await waits(stage)) == pytest.approx([0, 0, 0, 0, 3600, 3600], abs=5)


async def test_a_throttle_leaves_out_until_its_time_has_passed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = await stage.workflow(transform("a"), **throttled(on_limit="skip"))
    await stage.start(workflow)
    await stage.start(workflow)
    with pytest.raises(errors.Conflict):
        await stage.start(workflow)
    shift(monkeypatch, timedelta(minutes=59))
    with pytest.raises(errors.Conflict):
        await stage.start(workflow)
    shift(monkeypatch, timedelta(minutes=61))
    await stage.start(workflow)
    assert await stage.execute("SELECT count(*) FROM run") == [(3,)]


def shift(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Move this process's clock, as FLOYO_CLOCK_OFFSET does."""
    monkeypatch.setattr(clock, "_offset", lambda: by)


async def test_the_last_start_of_a_burst_wins(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = await stage.workflow(transform("a", "{{ input }}"), **debounced())
    first = await stage.start(workflow, "one")
    shift(monkeypatch, timedelta(seconds=20))
    assert await stage.start(workflow, "two") == first
    assert await waits(stage) == pytest.approx([30], abs=5), "put off by the second"
    await stage.execute("UPDATE run SET due_at = clock_timestamp()")
    async with stage.engine() as engine:
        found = await stage.finish(engine, first)
    assert (found["output"], found["trigger"]["data"]) == ("two", "two")
    assert await stage.start(workflow, "three") != first, "what has run takes up nothing"


async def test_a_debounce_ends_at_most_so_long_after_the_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = await stage.workflow(transform("a"), **debounced(at_most="PT1M"))
    for seconds in (0, 25, 50, 58):
        shift(monkeypatch, timedelta(seconds=seconds))
        await stage.start(workflow)
    assert await waits(stage) == pytest.approx([2], abs=2)


async def test_a_burst_at_once_becomes_one_run_for_each_key(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), **debounced(**KEYED))
    await asyncio.gather(*(stage.start(workflow, {"key": name}) for name in "xyxyxyxy"))
    assert await stage.execute("SELECT count(*) FROM run") == [(2,)]


async def test_a_cancelled_burst_begins_anew(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), **debounced())
    first = await stage.start(workflow)
    await stage.cancel(first)
    assert await stage.start(workflow) != first


async def test_events_are_debounced_and_each_counts_once(stage: Stage) -> None:
    match = {"type": "event", "match": {"source": "files"}}
    await stage.workflow(transform("a", "{{ event.data.n }}"), trigger=match, **debounced(key="event.subject"))
    ((trigger_id,),) = await stage.execute("SELECT id FROM trigger")
    for n, subject in enumerate(["a", "b", "a", "a"]):
        event = {"id": f"e{n}", "source": "files", "type": "saved", "subject": subject, "data": {"n": n}}
        async with stage.service.database.system() as session:
            await triggers.match(session, [(trigger_id, stage.organization_id, event)] * 2)
    assert sorted(await stage.execute("SELECT event->>'id' FROM run")) == [("e1",), ("e3",)]


async def test_a_held_burst_waits_for_both(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), concurrency={"limit": 1}, **throttled(limit=1))
    await stage.start(workflow)
    second = await stage.start(workflow)
    await stage.execute(
        "UPDATE run SET status = 'succeeded', finished_at = now(), due_at = NULL WHERE id <> :id", id=second
    )
    assert await sweeping.let_go(stage.service.database) == 0, "its hour has not come"
    await stage.execute("UPDATE run SET not_before = now() WHERE id = :id", id=second)
    assert await sweeping.let_go(stage.service.database) == 1


CANCELLING = {"concurrency": {"limit": 1, "on_limit": "cancel_running"}}


@pytest.mark.parametrize("limit", [throttled(limit=1, on_limit="skip"), debounced(), CANCELLING])
async def test_a_dry_run_takes_no_part_in_limits(stage: Stage, limit: dict[str, Any]) -> None:
    workflow = await stage.workflow(transform("a"), **limit)
    real = await stage.start(workflow)
    async with stage.service.database.session(stage.organization_id) as session:
        dry = await runs.start_by_hand(
            session, stage.organization_id, workflow, given=None, dry_run=True, subject="user:test"
        )
    assert (dry.status, dry.id != real) == ("queued", True)
    assert (await stage.read(real))["status"] == "queued"


async def test_paces_are_forgotten_once_they_say_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.start(await stage.workflow(transform("a"), **throttled()))
    await sweeping.purge(stage.service.database)
    assert await stage.execute("SELECT count(*) FROM pacing") == [(1,)]
    shift(monkeypatch, timedelta(hours=2))
    await sweeping.purge(stage.service.database)
    assert await stage.execute("SELECT count(*) FROM pacing") == [(0,)]


@pytest.mark.parametrize(
    ("limits", "pointer"),
    [
        ({"throttle": {"per": "PT1M", "key": "steps.a.output"}}, "/throttle/key"),
        ({"throttle": {"per": "PT1M", "key": "1 +"}}, "/throttle/key"),
        ({"debounce": {"quiet": "PT1M", "key": "nobody.knows"}}, "/debounce/key"),
        ({"debounce": {"quiet": "PT1M"}, "throttle": {"per": "PT1M"}}, "/debounce"),
    ],
)
def test_faults_of_limits_carry_pointers(limits: dict[str, Any], pointer: str) -> None:
    body = {"name": "x", "trigger": {"type": "manual"}, "steps": [transform("a")], **limits}
    with pytest.raises(errors.Invalid) as caught:
        plan.build(Definition.model_validate(body), catalog())
    assert [fault.pointer for fault in caught.value.errors] == [pointer]


async def test_a_start_with_a_key_gets_a_run_of_its_own(stage: Stage) -> None:
    """A step that starts the workflow waits for the very run that it has begun."""
    workflow = await stage.workflow(transform("a"), **debounced())
    first = await stage.start(workflow)
    async with stage.service.database.session(stage.organization_id) as session:
        body = {"name": "x", "trigger": {"type": "manual"}, "steps": [transform("a")], **debounced()}
        wanted = runs.Start(
            organization_id=stage.organization_id, workflow_id=workflow, version=1,
            definition=Definition.model_validate(body), trigger={"type": "workflow", "data": None}, given=None,
            cause={"kind": "run"}, run_id=ids.new(), start_key="k",
        )  # fmt: skip
        assert (await runs.start(session, wanted)).id == wanted.run_id != first
