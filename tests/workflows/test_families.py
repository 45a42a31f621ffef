"""Runs that start runs: however one of them ends, nobody waits for ever and nothing is started twice."""

from typing import Any
from uuid import UUID

import pytest

from services.workflows.domain import erasure, runs
from services.workflows.domain.engine import Engine
from tests.workflows.driving import Answers
from tests.workflows.stage import Gated, Stage, http, transform, until

pytestmark = pytest.mark.integration

DELAY = {"id": "d", "type": "delay", "with": {"for": "PT1H"}}


@pytest.fixture(autouse=True)
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that wait for a run look by themselves only after ten minutes."""
    monkeypatch.setattr("services.workflows.steps.workflow.FIRST_LOOK", 600.0)


def starts(workflow: UUID, **more: Any) -> dict[str, Any]:
    return {"id": "w", "type": "workflow", "with": {"id": str(workflow)}, **more}


async def begin(stage: Stage, engine: Engine, parent: UUID) -> tuple[UUID, UUID]:
    """A parent that waits for a child that waits: their ids."""
    run = await stage.start(parent)
    await settle(engine)
    await settle(engine)
    ((child,),) = await stage.execute("SELECT id FROM run WHERE depth = 1")
    return run, child


async def settle(engine: Engine) -> None:
    await engine.advance()
    await until(lambda: not engine.active)


async def test_a_cancelled_child_wakes_its_parent(stage: Stage) -> None:
    async with stage.engine(platform=True) as engine:
        run, child = await begin(stage, engine, await stage.workflow(starts(await stage.workflow(DELAY))))
        await stage.cancel(child)
        found = await stage.finish(engine, run, seconds=5)
    assert (found["status"], found["error"]["type"]) == ("failed", "cancelled")


async def test_a_child_that_runs_out_of_time_wakes_its_parent(stage: Stage) -> None:
    inner = await stage.workflow(DELAY, timeout="PT0.5S")
    async with stage.engine(platform=True) as engine:
        run, _ = await begin(stage, engine, await stage.workflow(starts(inner)))
        found = await stage.finish(engine, run, seconds=8)
    assert found["error"]["type"] == "timeout"


async def test_a_failed_child_fails_its_step_and_on_error_decides(stage: Stage) -> None:
    inner = await stage.workflow(http("b"))
    refused = Answers({"status": 404, "headers": {}, "body": None})
    async with stage.engine(refused, platform=True) as engine:
        run = await stage.start(await stage.workflow(starts(inner, on_error="continue"), transform("after")))
        found = await stage.finish(engine, run, seconds=8)
    assert [step["status"] for step in found["steps"]] == ["failed", "succeeded"]
    assert found["steps"][0]["error"]["type"] == "http-status"


async def test_a_child_that_a_limit_cancels_wakes_its_parent(stage: Stage) -> None:
    inner = await stage.workflow(DELAY, concurrency={"limit": 1, "on_limit": "cancel_running"})
    async with stage.engine(platform=True) as engine:
        run, _ = await begin(stage, engine, await stage.workflow(starts(inner)))
        await stage.start(inner)
        found = await stage.finish(engine, run, seconds=5)
    assert found["error"]["type"] == "cancelled"


async def test_a_cancelled_parent_ends_its_children_and_theirs(stage: Stage) -> None:
    grandchild = await stage.workflow(DELAY)
    child = await stage.workflow(starts(grandchild))
    loop = {"id": "l", "type": "foreach", "with": {"items": [1, 2], "steps": [starts(child)]}}
    async with stage.engine(platform=True) as engine:
        run = await stage.start(await stage.workflow(loop))
        for _ in range(3):
            await settle(engine)
        assert await stage.execute("SELECT depth, count(*) FROM run GROUP BY 1 ORDER BY 1") == [(0, 1), (1, 2), (2, 2)]
        await stage.cancel(run)
    assert await stage.execute("SELECT status, count(*) FROM run GROUP BY 1") == [("cancelled", 5)]


async def test_a_parent_that_fails_leaves_no_child_behind(stage: Stage) -> None:
    """The other branch fails while the child waits; what could only be thrown away is not worked on."""
    branches = [[starts(await stage.workflow(DELAY))], [http("b", retry={"attempts": 1})]]
    gated = Gated()
    async with stage.engine(gated, platform=True) as engine:
        both = {"id": "p", "type": "parallel", "with": {"branches": branches}}
        run = await stage.start(await stage.workflow(both, timeout="PT1S"))
        found = await stage.finish(engine, run, seconds=8)
    assert found["error"]["type"] == "timeout"
    assert await stage.execute("SELECT status FROM run WHERE depth = 1") == [("cancelled",)]
    assert await stage.execute("SELECT count(*) FROM run_step WHERE status = 'waiting'") == [(0,)]


async def test_a_child_that_was_erased_does_not_keep_its_parent(stage: Stage) -> None:
    async with stage.engine(platform=True) as engine:
        run, child = await begin(stage, engine, await stage.workflow(starts(await stage.workflow(DELAY))))
        await stage.execute("DELETE FROM run WHERE id = :id", id=child)
        await stage.execute("UPDATE run_step SET due_at = now()")
        await stage.execute("UPDATE run SET due_at = now() WHERE id = :id", id=run)
        found = await stage.finish(engine, run, seconds=5)
    assert found["error"]["type"] == "run-gone"


async def test_an_organisation_that_goes_ends_parents_and_children(stage: Stage) -> None:
    async with stage.engine(platform=True) as engine:
        await begin(stage, engine, await stage.workflow(starts(await stage.workflow(DELAY))))
        async with stage.service.database.system() as session:
            await erasure.ask(session, stage.organization_id)
        assert await stage.execute("SELECT status, count(*) FROM run GROUP BY 1") == [("cancelled", 2)]
        while await erasure.erase(stage.service.database):
            pass
    for table in ("run", "run_step", "run_start", "step_output", "approval"):
        assert await stage.execute(f"SELECT count(*) FROM {table}") == [(0,)]


async def test_a_retried_parent_retries_the_child_that_failed(stage: Stage) -> None:
    refused = {"status": 404, "headers": {}, "body": None}
    answers = Answers(refused)
    async with stage.engine(answers, platform=True) as engine:
        run = await stage.start(await stage.workflow(starts(await stage.workflow(transform("a"), http("b")))))
        assert (await stage.finish(engine, run, seconds=8))["status"] == "failed"
        async with stage.service.database.session(stage.organization_id) as session:
            await runs.retry(session, stage.organization_id, run)
        found = await stage.finish(engine, run, seconds=8)
    assert found["status"] == "succeeded"
    assert await stage.execute("SELECT count(*) FROM run") == [(2,)], "the same child went on"
    assert len({key for key, _, _ in answers.asked}) == 1, "under the same key"


async def test_a_start_that_is_repeated_is_not_in_its_own_way(stage: Stage) -> None:
    """A worker dies between starting the child and storing that it did; the next one starts it again."""
    for on_limit in ("skip", "cancel_running", "queue"):
        await stage.execute("DELETE FROM run_start")
        await stage.execute("DELETE FROM run")
        inner = await stage.workflow(DELAY, concurrency={"limit": 1, "on_limit": on_limit})
        async with stage.engine(platform=True) as engine:
            run, child = await begin(stage, engine, await stage.workflow(starts(inner)))
            await stage.execute("DELETE FROM run_step WHERE run_id = :id", id=run)
            await stage.execute("UPDATE run SET due_at = now() WHERE id = :id", id=run)
            await settle(engine)
            found = await stage.execute("SELECT id, status FROM run WHERE depth = 1")
            assert [(row.id, row.status) for row in found] == [(child, "waiting")], on_limit
            assert (await stage.read(run))["status"] == "waiting"
