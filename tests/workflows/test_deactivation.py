"""Row 51 where it is hard: starts that race a deactivation either begin before it and end with it, or never begin."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.workflows.domain import runs, triggers, workflows
from services.workflows.domain.intake import Intake
from shared import errors, ids
from tests.workflows.stage import Stage, transform
from tests.workflows.test_routes import bearer

pytestmark = pytest.mark.integration

PATIENCE = 0.15
Start = Callable[[Stage, UUID], Coroutine[Any, Any, bool]]


async def _by_hand(stage: Stage, workflow_id: UUID) -> bool:
    """The way of requests with an Idempotency-Key."""
    try:
        await stage.start(workflow_id)
    except errors.Conflict as refused:
        return refused.slug != "workflow-inactive"
    return True


async def _quickly(stage: Stage, workflow_id: UUID) -> bool:
    """The way of many requests at once."""
    intake = stage.service.part(Intake)
    return (
        await intake.start(stage.organization_id, workflow_id, given=None, dry_run=False, subject="user:t") is not None
    )


async def _by_event(stage: Stage, workflow_id: UUID) -> bool:
    ((trigger_id,),) = await stage.execute("SELECT id FROM trigger WHERE workflow_id = :id", id=workflow_id)
    event = {"id": str(ids.new()), "type": "built", "source": "ci", "data": {}}
    async with stage.service.database.system() as session:
        return bool(await triggers.match(session, [(trigger_id, stage.organization_id, event)]))


async def _by_retry(stage: Stage, workflow_id: UUID) -> bool:
    ((run_id,),) = await stage.execute(
        "SELECT id FROM run WHERE workflow_id = :id AND status = 'failed'", id=workflow_id
    )
    try:
        async with stage.service.database.session(stage.organization_id) as session:
            await runs.retry(session, stage.organization_id, run_id)
    except errors.Conflict as refused:
        return refused.slug != "workflow-inactive"
    return True


async def _switch_off(stage: Stage, session: Any, workflow_id: UUID) -> None:
    await workflows.switch(session, stage.author, workflow_id, active=False, cancel_runs=True)


async def _prepare(stage: Stage, start: Start) -> UUID:
    trigger = {"type": "event", "match": {"type": "built"}} if start is _by_event else {"type": "manual"}
    workflow_id = await stage.workflow(transform("a"), trigger=trigger)
    if start is _by_retry:
        await stage.start(workflow_id)
        await stage.execute("UPDATE run SET status = 'failed', due_at = NULL, finished_at = now()")
    elif start is _quickly:  # what it knows of the workflow is old by the time of the race
        assert await _quickly(stage, workflow_id)
        await stage.execute("DELETE FROM run")
    return workflow_id


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("start", [_by_hand, _quickly, _by_event, _by_retry])
async def test_b51_a_start_waits_for_the_deactivation_before_it(stage: Stage, start: Start) -> None:
    workflow_id = await _prepare(stage, start)
    async with stage.service.database.session(stage.organization_id) as session:
        await _switch_off(stage, session, workflow_id)
        starting = asyncio.create_task(start(stage, workflow_id))
        await asyncio.sleep(PATIENCE)
        assert not starting.done(), "it has looked past a deactivation that is under way"
    assert await starting is False
    assert await stage.execute("SELECT id FROM run WHERE finished_at IS NULL") == []


async def test_b51_a_deactivation_ends_what_began_before_it(stage: Stage) -> None:
    workflow_id = await stage.workflow(transform("a"))

    async def switch_off() -> None:
        async with stage.service.database.session(stage.organization_id) as session:
            await _switch_off(stage, session, workflow_id)

    async with stage.service.database.session(stage.organization_id) as session:
        started = await runs.start_by_hand(
            session, stage.organization_id, workflow_id, given=None, dry_run=False, subject="user:t"
        )
        switching = asyncio.create_task(switch_off())
        await asyncio.sleep(PATIENCE)
        assert not switching.done(), "it has not seen the start that is under way"
    await switching
    assert (await stage.read(started.id))["status"] == "cancelled"


async def test_b51_starts_race_deactivations(public: httpx2.AsyncClient, stage: Stage) -> None:
    """However they meet: once a deactivation with cancel_runs has answered, nothing goes on and nothing begins."""
    for number in range(25):
        workflow_id = await stage.workflow(transform("a"))
        path, headers = f"/workflows/{workflow_id}", bearer(stage)

        async def start(place: int, path: str = path, headers: dict[str, str] = headers) -> int:
            await asyncio.sleep(place / 1_000)
            key = {"Idempotency-Key": f"k-{place}"} if place % 2 else {}
            return (await public.post(f"{path}/runs", json={}, headers={**headers, **key})).status_code

        starting = [asyncio.create_task(start(place)) for place in range(12)]
        await asyncio.sleep(number % 8 / 1_000)
        off = await public.post(f"{path}/deactivate", json={"cancel_runs": True}, headers=headers)
        assert off.status_code == 200
        answers = await asyncio.gather(*starting)
        assert set(answers) <= {202, 409}
        (found,) = await stage.execute(
            "SELECT count(*) AS runs, count(*) FILTER (WHERE finished_at IS NULL) AS going FROM run"
            " WHERE workflow_id = :id",
            id=workflow_id,
        )
        assert (found.runs, found.going) == (answers.count(202), 0)
