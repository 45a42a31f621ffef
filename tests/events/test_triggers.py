"""Events reach the triggers that wait for them: each once, none before its trigger, none lost."""

from datetime import datetime
from typing import Any

from services.events.domain import subscriptions
from services.events.domain.triggers import MAX_CANDIDATES
from services.events.storage.log import Draft
from services.events.storage.subscriptions import any_to_catch_up
from shared import clock, ids
from shared.service import Service
from tests.events.processes import Process, Tenant, sibling_headers
from tests.events.siblings import Workflows
from tests.events.waiting import until


async def subscribe(
    process: Process, tenant: Tenant, *, revision: int = 1, at: datetime | None = None, active: bool = True,
    trigger_id: Any = None, **match: str,
) -> str:  # fmt: skip
    """Registers a trigger as workflows does; its id."""
    trigger_id = trigger_id or str(ids.new())
    body = {
        "id": str(ids.new()), "type": "workflow.trigger_changed", "version": 1, "trace_id": "0" * 32,
        "body": {
            "trigger_id": trigger_id, "organization_id": str(tenant.organization_id), "workflow_id": str(ids.new()),
            "revision": revision, "changed_at": (at or clock.now()).isoformat(), "active": active, "match": match,
        },
    }  # fmt: skip
    path = "/internal/messages"
    async with process.client(internal=True) as client:
        for _ in range(2):  # at least once: a repeated delivery changes nothing
            answer = await client.post(path, json=body, headers=sibling_headers("workflows", "POST", path))
            assert answer.status_code == 200, answer.text
    return str(trigger_id)


async def runs_of(workflows: Workflows, trigger_id: str) -> set[str]:
    """The events that started a run of a trigger."""
    return {event for trigger, event in workflows.runs if trigger == trigger_id}


async def test_a_matching_event_is_reported_whole(
    service_worker: Service, service_events: Process, tenant: Tenant, workflows: Workflows
) -> None:
    trigger = await subscribe(service_events, tenant, source="git", type="build.*")
    other = await subscribe(service_events, Tenant(service_events), source="git")
    posted = (await tenant.post({"source": "git", "type": "build.failed", "data": {"n": [1]}})).json()
    await tenant.post({"source": "git", "type": "push"})
    await until(lambda: runs_of(workflows, trigger), lambda found: found == {posted["id"]})
    match = next(item for item in workflows.matches if item["trigger_id"] == trigger)
    stored = (await tenant.client.get(f"/api/v1/events/{posted['id']}")).json()
    assert match["organization_id"] == str(tenant.organization_id)
    assert set(match["event"]) == set(stored)
    assert match["event"]["data"] == {"n": [1]}
    assert await runs_of(workflows, other) == set()


async def test_a_stretch_ends_where_as_much_is_found_as_is_taken_at_once(
    service_worker: Service, service_events: Process, tenant: Tenant, workflows: Workflows
) -> None:
    trigger = await subscribe(service_events, tenant, source="crowd")
    await until(lambda: any_to_catch_up(service_worker.database), lambda late: not late)
    events = [{"source": "crowd", "type": "t", "id": str(number)} for number in range(2 * MAX_CANDIDATES + 1)]
    for share in (events[:MAX_CANDIDATES], events[MAX_CANDIDATES:]):
        answer = await tenant.client.post("/api/v1/events/batch", json=share)
        assert answer.json()["accepted"] == len(share)
    heard = await until(lambda: runs_of(workflows, trigger), lambda found: len(found) == len(events))
    assert len(heard) == len([match for match in workflows.matches if match["trigger_id"] == trigger])


async def test_a_late_message_catches_up_but_not_with_what_was_before(
    service_worker: Service, service_events: Process, tenant: Tenant, workflows: Workflows
) -> None:
    await tenant.post({"source": "a", "type": "t"})
    activated_at = clock.now()
    after = (await tenant.post({"source": "a", "type": "t"})).json()["id"]
    trigger = await subscribe(service_events, tenant, at=activated_at, source="a")
    await until(lambda: runs_of(workflows, trigger), lambda found: found == {after})
    last = (await tenant.post({"source": "a", "type": "t"})).json()["id"]
    await until(lambda: runs_of(workflows, trigger), lambda found: found == {after, last})


async def test_a_failing_sibling_loses_nothing_and_an_inactive_trigger_hears_nothing(
    service_worker: Service, service_events: Process, tenant: Tenant, workflows: Workflows
) -> None:
    trigger = await subscribe(service_events, tenant, source="a")
    ended = await subscribe(service_events, tenant, source="a")
    await subscribe(service_events, tenant, trigger_id=ended, revision=2, active=False, source="a")
    await subscribe(service_events, tenant, trigger_id=ended, revision=1, active=True, source="a")
    workflows.failures = 3
    wanted = {(await tenant.post({"source": "a", "type": "t"})).json()["id"] for _ in range(3)}
    await until(lambda: runs_of(workflows, trigger), lambda found: found == wanted)
    assert await runs_of(workflows, ended) == set()


def test_globs_and_exact_names() -> None:
    draft = Draft(ids.new(), ids.new(), None, "git", "build.failed", None, None, None, None)
    cases = [
        ({"source": "git"}, True), ({"source": "gi?"}, True), ({"type": "build.*"}, True), ({"type": "build"}, False),
        ({"subject": "x"}, False), ({"subject": "*"}, False), ({}, True), ({"source": "git", "type": "other"}, False),
    ]  # fmt: skip
    for match, wanted in cases:
        named = dict.fromkeys(subscriptions.FIELDS) | match
        assert subscriptions.fits(type("Named", (), named), draft) is wanted, match
