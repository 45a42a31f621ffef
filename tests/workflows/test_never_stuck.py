"""No run is ever stuck: every state that a run which goes on can be in, and the loop that moves it from there."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from services.workflows.domain import runs, sweeping, triggers, workflows
from services.workflows.domain.engine import Engine
from services.workflows.storage import limits
from shared import clock, ids
from tests.workflows.driving import Answers
from tests.workflows.stage import Gated, Stage, http, transform, until

pytestmark = pytest.mark.integration

ONE = {"limit": 1, "on_limit": "queue"}
Arrange = Callable[[Stage], Awaitable[UUID]]


async def queued(stage: Stage) -> UUID:
    """Started, and every wake-up lost."""
    return await stage.start(await stage.workflow(transform("a")))


async def queued_later(stage: Stage) -> UUID:
    """Retried with a rate: its turn comes later."""
    run = await queued(stage)
    await stage.execute("UPDATE run SET due_at = now() + interval '0.4 seconds'")
    return run


async def running_without_a_worker(stage: Stage) -> UUID:
    """Its worker died with it."""
    gated = Gated()
    run = await stage.start(await stage.workflow(http("a")))
    async with stage.engine(gated) as engine:
        await engine.advance()
        await until(lambda: gated.asked)
    await stage.expire_leases()
    return run


async def waiting_for_time(stage: Stage) -> UUID:
    """A delay, a retry, or the next look at a child."""
    return await _rest(stage, {"id": "d", "type": "delay", "with": {"for": "PT0.3S"}})


async def waiting_for_an_approval_that_expires(stage: Stage) -> UUID:
    """Nobody ever decides."""
    return await _rest(stage, {"id": "d", "type": "approval", "with": {"expires": "PT0.3S"}})


async def waiting_for_a_decision_that_came_while_it_was_stored(stage: Stage) -> UUID:
    """The decision was made before the step was stored as waiting: nothing but the run's signal tells of it."""
    run = await _rest(stage, {"id": "d", "type": "approval", "with": {"expires": "P30D"}})
    await stage.execute("UPDATE approval SET status = 'approved', decided_at = now()")
    await stage.execute("DELETE FROM run_step")
    await stage.execute("UPDATE run SET due_at = now(), signals = signals + 1")
    return run


async def waiting_for_a_child_whose_end_nobody_told(stage: Stage) -> UUID:
    """The worker that ended the child died before it woke the parent."""
    inner = await stage.workflow({"id": "d", "type": "delay", "with": {"for": "PT1H"}})
    run = await _rest(stage, {"id": "w", "type": "workflow", "with": {"id": str(inner)}, "on_error": "continue"})
    await stage.execute(
        'UPDATE run SET status = \'failed\', finished_at = now(), due_at = NULL, error = \'{"type": "x", "detail":'
        ' "y"}\' WHERE depth = 1'
    )
    return run


async def waiting_for_a_time_limit(stage: Stage) -> UUID:
    """The workflow allows less than the step would take."""
    return await _rest(stage, {"id": "d", "type": "delay", "with": {"for": "PT1H"}}, timeout="PT0.4S")


async def held_by_a_run_that_ended(stage: Stage) -> UUID:
    return await _held(stage, stage.cancel)


async def held_by_a_run_that_is_gone(stage: Stage) -> UUID:
    """Erased, or dropped with its month."""
    return await _held(stage, lambda first: stage.execute("DELETE FROM run WHERE id = :id", id=first))


async def held_behind_many_keys_that_are_full(stage: Stage) -> UUID:
    """More keys without room than the loop looks at in one round come first."""
    full, free = ids.new(), await _held(stage, stage.cancel)
    for held, due in (("false", "now() + interval '1 day'"), ("true", "NULL")):
        await stage.execute(
            "INSERT INTO run (id, organization_id, workflow_id, version, status, trigger, dry_run, depth, trace_id,"
            " concurrency_key, concurrency_limit, held, created_at, due_at)"
            " SELECT (left(uuid_bound(now())::text, 14) || right(gen_random_uuid()::text, 22))::uuid, :organization,"
            f" :full, 1, 'queued', '{{}}', false, 0, 't', number::text, 1, {held}, now(), {due}"
            " FROM generate_series(1, 250) number",
            full=full, organization=stage.organization_id,
        )  # fmt: skip
    return free


async def held_since_its_retry(stage: Stage) -> UUID:
    """Runs that share a limit wait for their turn when they are retried, too."""
    run = await stage.start(await stage.workflow(http("a"), concurrency=ONE))
    async with stage.engine(Answers({"status": 404, "headers": {}, "body": None})) as engine:
        assert (await stage.finish(engine, run))["status"] == "failed"
    async with stage.service.database.session(stage.organization_id) as session:
        await runs.retry(session, stage.organization_id, run)
    assert await stage.execute("SELECT held, due_at FROM run") == [(True, None)]
    return run


STATES: tuple[Arrange, ...] = (
    queued,
    queued_later,
    running_without_a_worker,
    waiting_for_time,
    waiting_for_an_approval_that_expires,
    waiting_for_a_decision_that_came_while_it_was_stored,
    waiting_for_a_child_whose_end_nobody_told,
    waiting_for_a_time_limit,
    held_by_a_run_that_ended,
    held_by_a_run_that_is_gone,
    held_behind_many_keys_that_are_full,
    held_since_its_retry,
)


@pytest.mark.parametrize("arrange", STATES, ids=lambda arrange: arrange.__name__)
async def test_somebody_looks_at_every_state(stage: Stage, arrange: Arrange) -> None:
    run = await arrange(stage)
    assert (await stage.read(run))["finished_at"] is None
    async with _loops(stage) as engine:
        found = await stage.finish(engine, run, seconds=15)
    assert found["status"] in {"succeeded", "failed"}


@pytest.mark.parametrize("status", ["queued", "running", "waiting"])
async def test_a_run_that_nobody_would_look_at_cannot_be_stored(stage: Stage, status: str) -> None:
    await queued(stage)
    with pytest.raises(IntegrityError, match="ck_run_awake"):
        await stage.execute("UPDATE run SET status = :status, due_at = NULL", status=status)


async def test_a_decision_between_asking_and_waiting_is_not_missed(stage: Stage) -> None:
    """The approval is decided while the worker is about to store that it waits."""
    run = await stage.start(await stage.workflow({"id": "d", "type": "approval", "with": {"expires": "P30D"}}))

    class Hasty(Answers):
        async def ask(self, context: Any, *_: Any) -> dict[str, Any]:
            self.asked.append((context.key, "ask", None))
            if len(self.asked) == 1:
                await stage.execute("UPDATE run SET signals = signals + 1")
                return {"status": "open", "decisions": []}
            return {"status": "approved", "decisions": []}

    async with stage.engine(Hasty()) as engine:
        found = await stage.finish(engine, run, seconds=5)
    assert found["status"] == "succeeded"


async def test_a_trigger_that_cannot_fire_stands_in_no_others_way(stage: Stage) -> None:
    """One trigger is broken; the other one comes due in the same round."""
    schedule = {"type": "interval", "every": "PT1H"}
    broken, sound = [await stage.workflow(transform("a"), trigger=schedule) for _ in range(2)]
    await stage.execute("UPDATE trigger SET next_at = now() - interval '1 second'")
    await stage.execute('UPDATE trigger SET spec = \'{"type": "schedule"}\' WHERE workflow_id = :id', id=broken)
    assert (await sweeping.fire_timers(stage.service.database))[0] == 1
    assert await stage.execute("SELECT workflow_id FROM run") == [(sound,)]


async def test_a_definition_of_an_older_kind_stops_no_batch(stage: Stage) -> None:
    event = {"type": "event", "match": {"type": "x"}}
    broken, sound = [await stage.workflow(transform("a"), trigger=event) for _ in range(2)]
    await stage.execute("UPDATE workflow_version SET definition = '{}' WHERE workflow_id = :id", id=broken)
    rows = await stage.execute("SELECT id FROM trigger ORDER BY id")
    happened = {"id": "e1", "type": "x", "source": "s", "time": clock.now().isoformat()}
    async with stage.service.database.system() as session:
        matches = [(row.id, stage.organization_id, happened) for row in rows]
        assert await triggers.match(session, matches) == 1
    assert await stage.execute("SELECT workflow_id FROM run") == [(sound,)]


async def test_a_run_without_its_version_ends_and_takes_nobody_along(stage: Stage) -> None:
    lost, sound = await queued(stage), await queued(stage)
    await stage.execute("UPDATE run SET version = 7 WHERE id = :id", id=lost)
    async with stage.engine() as engine:
        assert (await stage.finish(engine, sound))["status"] == "succeeded"
    assert await stage.execute("SELECT error->>'type' FROM run WHERE id = :id", id=lost) == [("internal",)]


async def _rest(stage: Stage, step: dict[str, Any], **more: Any) -> UUID:
    """A run whose one step waits."""
    run = await stage.start(await stage.workflow(step, **more))
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
    return run


async def _held(stage: Stage, end: Callable[[UUID], Awaitable[Any]]) -> UUID:
    workflow = await stage.workflow(transform("a"), concurrency=ONE)
    first, second = await stage.start(workflow), await stage.start(workflow)
    await end(first)
    return second


@contextlib.asynccontextmanager
async def _loops(stage: Stage) -> AsyncIterator[Engine]:
    """A worker as it is when no wake-up ever arrives: the sweep is `advance` in a loop, and limits are looked at."""
    async with stage.engine(platform=True) as engine:
        advance = engine.advance

        async def sweep() -> None:
            await sweeping.let_go(stage.service.database)
            await advance()

        engine.advance = sweep  # type: ignore[method-assign]
        yield engine


async def test_let_go_passes_over_turns_that_have_not_come(stage: Stage) -> None:
    run = await held_since_its_retry(stage)
    await stage.execute("UPDATE run SET not_before = now() + interval '1 hour'")
    assert await sweeping.let_go(stage.service.database) == 0
    async with stage.service.database.system() as session:
        assert await limits.held_keys(session, 10) == []
    await stage.execute("UPDATE run SET not_before = now()")
    assert await sweeping.let_go(stage.service.database) == 1
    assert (await stage.read(run))["status"] == "queued"


async def test_however_many_are_queued_all_are_cancelled_at_once(stage: Stage) -> None:
    """More than a statement has room for parameters."""
    workflow = await stage.workflow(transform("a"))
    await stage.execute(
        "INSERT INTO run (id, organization_id, workflow_id, version, status, trigger, dry_run, depth, trace_id,"
        " created_at, due_at) SELECT (left(uuid_bound(now())::text, 14) || right(gen_random_uuid()::text, 22))::uuid,"
        " :organization, :workflow, 1, 'queued', '{}', false, 0, 't', now(), now() FROM generate_series(1, 33000)",
        organization=stage.organization_id, workflow=workflow,
    )  # fmt: skip
    async with stage.service.database.session(stage.organization_id) as session:
        await workflows.switch(session, stage.author, workflow, active=False, cancel_runs=True)
    assert await stage.execute("SELECT status, count(*) FROM run GROUP BY 1") == [("cancelled", 33_000)]
