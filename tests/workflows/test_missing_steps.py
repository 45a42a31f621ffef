"""An absence after something: what should have followed and did not is told once, for each key on its own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.workflows.domain import sweeping, triggers, workflows
from services.workflows.domain.definition import Definition
from tests.workflows.stage import Stage, transform

pytestmark = pytest.mark.integration

TRIGGER: dict[str, Any] = {
    "type": "absence",
    "after": {"source": "shop", "type": "order.received"},
    "match": {"source": "desk", "type": "invoice.sent", "where": "event.data.paid == false"},
    "key": "event.actor",
    "within": "PT10M",
}
NOW = datetime.now(UTC)


async def start(stage: Stage) -> None:
    await stage.workflow(transform("a", "{{ event.id }}"), trigger=TRIGGER)


async def tell(stage: Stage, side: str, *events: dict[str, Any]) -> None:
    """Reports events under the id of a side, as the events service would."""
    column = "after_id" if side == "after" else "id"
    ((trigger_id,),) = await stage.execute(f"SELECT {column} FROM trigger")
    async with stage.service.database.system() as session:
        await triggers.match(session, [(trigger_id, stage.organization_id, event) for event in events])


def order(name: str, minutes: float, actor: str | None = "ada") -> dict[str, Any]:
    return _event(name, "shop", "order.received", minutes, actor)


def invoice(name: str, minutes: float, actor: str | None = "ada", *, paid: bool = False) -> dict[str, Any]:
    return _event(name, "desk", "invoice.sent", minutes, actor) | {"data": {"paid": paid}}


def _event(name: str, source: str, kind: str, minutes: float, actor: str | None) -> dict[str, Any]:
    moment = (NOW + timedelta(minutes=minutes)).isoformat()
    return {
        "id": name,
        "source": source,
        "type": kind,
        "actor": actor,
        "time": moment,
        "received_at": moment,
        "data": {},
    }


async def fired(stage: Stage) -> list[str]:
    await sweeping.fire_timers(stage.service.database)
    return [name for (name,) in await stage.execute("SELECT event->>'id' FROM run ORDER BY id")]


async def test_only_what_was_not_answered_in_time_is_told(stage: Stage) -> None:
    await start(stage)
    await tell(stage, "after", order("a1", -30), order("b1", -30, "bob"), order("c1", -5, "cid"))
    await tell(stage, "match", invoice("a2", -25))
    assert await fired(stage) == ["b1"]
    assert await fired(stage) == ["b1"], "once"
    await stage.execute("UPDATE awaited SET due_at = now() WHERE key = 'cid'")
    await stage.execute("UPDATE trigger SET next_at = now()")
    assert await fired(stage) == ["b1", "c1"]
    assert await stage.execute("SELECT next_at FROM trigger") == [(None,)]


async def test_the_first_unanswered_one_sets_the_deadline(stage: Stage) -> None:
    await start(stage)
    await tell(stage, "after", order("first", -15), order("second", -1))
    assert await fired(stage) == ["first"]
    await tell(stage, "after", order("third", -12))
    assert await fired(stage) == ["first", "third"], "what comes after a miss is waited for anew"


async def test_reports_that_come_twice_or_late_begin_nothing_anew(stage: Stage) -> None:
    await start(stage)
    asked, answered = order("a1", -30), invoice("a2", -25)
    await tell(stage, "match", answered)
    await tell(stage, "after", asked)
    assert await fired(stage) == []
    await tell(stage, "after", order("a3", -20))
    await tell(stage, "match", answered)
    assert await fired(stage) == ["a3"], "an answer from before is none"
    await tell(stage, "after", asked, order("a3", -20))
    assert await fired(stage) == ["a3"]


async def test_only_an_answer_that_meets_the_condition_counts(stage: Stage) -> None:
    await start(stage)
    await tell(stage, "after", order("a1", -30), order("n1", -30, None))
    await tell(stage, "match", invoice("a2", -29, paid=True), invoice("n2", -29, None))
    assert await fired(stage) == ["a1"]


async def test_both_sides_are_told_to_events_and_listed(stage: Stage) -> None:
    await start(stage)
    ((one, other),) = await stage.execute("SELECT id, after_id FROM trigger")
    told = await stage.execute(
        "SELECT body->>'trigger_id', body->'match'->>'type', body->>'active' FROM outbox"
        " WHERE body->>'trigger_id' IS NOT NULL"
    )
    assert sorted(told) == sorted([(str(one), "invoice.sent", "true"), (str(other), "order.received", "true")])
    async with stage.service.database.system() as session:
        listed = [row for row in await triggers.listening(session, None) if row.id in {one, other}]
        beyond = await triggers.listening(session, max(one, other))
    assert {row.id: (row.match["type"], row.active) for row in listed} == {
        one: ("invoice.sent", True), other: ("order.received", True),
    }  # fmt: skip
    assert not {row.id for row in beyond} & {one, other}


async def test_what_was_waited_for_ends_with_the_workflow_and_with_a_change(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"), trigger=TRIGGER)
    await tell(stage, "after", order("a1", -30))
    async with stage.service.database.session(stage.organization_id) as session:
        await workflows.switch(session, stage.author, workflow, active=False)
    assert await fired(stage) == []
    async with stage.service.database.session(stage.organization_id) as session:
        await workflows.switch(session, stage.author, workflow, active=True)
    assert await fired(stage) == []
    plain = {name: value for name, value in TRIGGER.items() if name not in {"after", "key"}}
    body = {"name": "n", "trigger": plain, "steps": [transform("a")]}
    async with stage.service.database.session(stage.organization_id) as session:
        await workflows.replace(session, stage.author, workflow, Definition.model_validate(body), if_match=None)
    await tell(stage, "after", order("a2", -30))
    assert await fired(stage) == []
    newest = "SELECT body->>'active' FROM outbox, trigger WHERE body->>'trigger_id' = after_id::text ORDER BY outbox.id"
    assert (await stage.execute(newest))[-1] == ("false",)


async def test_a_key_needs_something_to_wait_after() -> None:
    plain = {name: value for name, value in TRIGGER.items() if name != "after"}
    with pytest.raises(ValidationError, match="needs an 'after'"):
        Definition.model_validate({"name": "n", "trigger": plain, "steps": [transform("a")]})
