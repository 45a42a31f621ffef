"""The engine on a real database: nothing stuck, nothing lost, nothing doubled."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.workflows.storage import leases, records
from services.workflows.storage.records import Record
from shared import errors, ids
from tests.workflows.driving import Answers
from tests.workflows.stage import Gated, Stage, http, transform, until

pytestmark = pytest.mark.integration


async def test_a_run_goes_through_its_steps(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a", "{{ input.n }}"), http("b"), transform("c", "{{ steps.a.output }}"))
    run = await stage.start(workflow, {"n": 5})
    async with stage.engine() as engine:
        found = await stage.finish(engine, run)
    assert found["status"] == "succeeded"
    assert found["output"] == 5
    assert [(step["id"], step["status"], step["attempts"]) for step in found["steps"]] == [
        ("a", "succeeded", 1), ("b", "succeeded", 1), ("c", "succeeded", 1),
    ]  # fmt: skip


async def test_another_worker_takes_over_with_the_same_key_and_no_attempt_lost(stage: Stage) -> None:
    workflow = await stage.workflow(http("b", retry={"attempts": 1}))
    run = await stage.start(workflow)
    first, second = Gated(), Answers()
    async with stage.engine(first) as dead, stage.engine(second) as heir:
        await dead.advance()
        await until(lambda: first.asked)
        for _ in range(3):
            await stage.expire_leases()
        found = await stage.finish(heir, run)
        assert found["status"] == "succeeded"
        assert found["steps"][0]["attempts"] == 1
        assert first.asked[0][0] == second.asked[0][0], "the key does not depend on the attempt"
        first.gate.set()
        await until(lambda: not dead.active)
    assert (await stage.read(run))["finished_at"] == found["finished_at"], "the late worker wrote nothing"
    assert await stage.execute("SELECT takeovers FROM run") == [(1,)]


async def test_an_instance_that_comes_back_lets_go_of_what_it_held_and_of_nothing_else(stage: Stage) -> None:
    workflow = await stage.workflow(http("b", retry={"attempts": 1}))
    names = ("w-1", "w-1", "w-10", "w-1:w-1", "w_1")
    runs = [await stage.start(workflow) for _ in names]
    async with stage.service.database.statements() as connection:
        for life, name in enumerate(names):
            await leases.claim(connection, f"{name}:{UUID(int=life)}", 1, {}, 60)
    async with stage.engine(instance="w-1") as returned:
        await returned.inherit()
        await returned.advance()
        await until(lambda: not returned.active)
    assert [(await stage.read(run))["status"] for run in runs] == ["succeeded"] * 2 + ["running"] * 3
    assert sorted(await stage.execute("SELECT takeovers FROM run")) == [(0,), (0,), (0,), (1,), (1,)]


async def test_an_instance_keeps_what_it_has_claimed_since_it_came_back(stage: Stage) -> None:
    run = await stage.start(await stage.workflow(http("b")))
    answers = Gated()
    async with stage.engine(answers) as engine:
        await engine.advance()
        await engine.inherit()
        await engine.advance()
        answers.gate.set()
        assert (await stage.finish(engine, run))["status"] == "succeeded"
    assert await stage.execute("SELECT takeovers FROM run") == [(0,)]


async def test_a_stale_token_writes_nothing(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"))
    run = await stage.start(workflow)
    database = stage.service.database
    async with database.statements() as connection:
        (claimed,) = await leases.claim(connection, "first", 1, {}, 60)
    await stage.expire_leases()
    async with database.statements() as connection:
        (again,) = await leases.claim(connection, "second", 1, {}, 60)
    assert again["lease_token"] == claimed["lease_token"] + 1
    step = {"key": "a", "step_id": "a", "type": "transform", "status": "succeeded", "attempts": 1}
    stale = Record(run, claimed["lease_token"], "succeeded", output=1, steps=(step,))
    async with database.statements() as connection:
        assert (await records.write(connection, [stale], 10)).held == set()
    assert (await stage.read(run))["status"] == "running"
    assert await stage.execute("SELECT count(*) FROM run_step") == [(0,)]
    async with database.system() as session:
        assert await leases.renew(session, {run: claimed["lease_token"]}) == set()
        assert await leases.renew(session, {run: again["lease_token"]}) == {run}


async def test_an_expired_lease_whose_token_is_ours_still_counts(stage: Stage) -> None:
    run = await stage.start(await stage.workflow(transform("a")))
    async with stage.service.database.statements() as connection:
        (claimed,) = await leases.claim(connection, "slow", 1, {}, 60)
    await stage.expire_leases()
    async with stage.service.database.system() as session:
        assert await leases.renew(session, {run: claimed["lease_token"]}) == {run}
    async with stage.service.database.statements() as connection:
        written = await records.write(connection, [Record(run, claimed["lease_token"], "succeeded")], 10)
        assert written.held == {run}


async def test_two_workers_never_claim_the_same_run(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"))
    for _ in range(60):
        await stage.start(workflow)

    async def claim(owner: str) -> list[object]:
        found = []
        for _ in range(12):
            async with stage.service.database.statements() as connection:
                found += [row["id"] for row in await leases.claim(connection, owner, 10, {}, 60)]
        return found

    taken = await asyncio.gather(*(claim(f"w{index}") for index in range(4)))
    everything = [identifier for part in taken for identifier in part]
    assert len(everything) == len(set(everything)) == 60


async def test_organisations_share_the_slots(stage: Stage) -> None:
    busy, quiet = Stage(stage.service), Stage(stage.service)
    many, one = await busy.workflow(transform("a")), await quiet.workflow(transform("a"))
    for _ in range(40):
        await busy.start(many)
    await quiet.start(one)
    async with stage.service.database.statements() as connection:
        claimed = await leases.claim(connection, "w", 10, {}, 60)
    assert quiet.organization_id in {row["organization_id"] for row in claimed}
    async with stage.service.database.statements() as connection:
        rest = await leases.claim(connection, "w", 10, {busy.organization_id: 60}, 60)
    assert rest == []


async def test_a_claim_takes_no_organisation_beyond_its_room(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"))
    for _ in range(9):
        await stage.start(workflow)
    async with stage.service.database.statements() as connection:
        for begun, room in ((4, 2), (5, 1), (6, 0)):
            claimed = await leases.claim(connection, "w", 10, {stage.organization_id: begun}, 6)
            assert len(claimed) == room


async def test_a_delay_holds_no_slot_and_comes_back(stage: Stage) -> None:
    workflow = await stage.workflow({"id": "d", "type": "delay", "with": {"for": "PT0.3S"}}, transform("b"))
    run = await stage.start(workflow)
    async with stage.engine() as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        waiting = await stage.read(run)
        assert waiting["status"] == "waiting"
        assert [step["status"] for step in waiting["steps"]] == ["waiting", "pending"]
        found = await stage.finish(engine, run)
    assert found["status"] == "succeeded"
    assert (found["finished_at"] - found["created_at"]).total_seconds() >= 0.3
    assert await stage.execute("SELECT takeovers FROM run") == [(0,)], "a wait is no takeover"


async def test_retries_follow_their_schedule(stage: Stage) -> None:
    workflow = await stage.workflow(http("b", retry={"attempts": 3, "initial": "PT0.2S", "factor": 2}))
    run = await stage.start(workflow)
    away = errors.Remote(502, "target-unreachable", "away", title="", extensions={"retryable": True})
    answers = Answers(away, {"status": 500, "headers": {}, "body": None})
    began = datetime.now(UTC)
    async with stage.engine(answers) as engine:
        found = await stage.finish(engine, run)
    assert found["status"] == "succeeded"
    assert found["steps"][0]["attempts"] == 3
    assert 0.45 <= (datetime.now(UTC) - began).total_seconds() < 3


async def test_cancel_stops_queued_waiting_and_running_work(stage: Stage) -> None:
    slow = Gated()
    delayed = await stage.workflow({"id": "d", "type": "delay", "with": {"for": "PT1H"}})
    called = await stage.workflow(http("b"), transform("c"))
    async with stage.engine(slow) as engine:
        waiting, running = await stage.start(delayed), await stage.start(called)
        await engine.advance()
        await until(lambda: slow.asked and len(engine.active) == 1)
        queued = await stage.start(called)
        for run in (queued, waiting, running):
            assert await stage.cancel(run) == "cancelled"
            assert (await stage.read(run))["status"] == "cancelled"
        await engine.renew()
        await until(lambda: not engine.active)
        await engine.advance()
        assert not engine.active
    with pytest.raises(errors.Conflict):
        await stage.cancel(queued)


async def test_b52_cancel_races_finish(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"))
    ended = {"cancelled": 0, "succeeded": 0}
    async with stage.engine() as engine:
        for index in range(100):
            run = await stage.start(workflow)
            advancing = asyncio.create_task(engine.advance())
            await asyncio.sleep(0.0005 * (index % 12))
            try:
                told = await stage.cancel(run)
            except errors.Conflict:
                told = "succeeded"
            await advancing
            await until(lambda: not engine.active)
            first = await stage.read(run)
            assert first["status"] == told
            ended[told] += 1
    assert sum(ended.values()) == 100
    assert await stage.execute("SELECT count(*) FROM run WHERE due_at IS NOT NULL OR finished_at IS NULL") == [(0,)]


async def test_draining_hands_runs_over_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.workflows.domain.engine.DRAIN_SECONDS", 0.1)
    slow = Gated()
    run = await stage.start(await stage.workflow(http("b")))
    async with stage.engine(slow) as leaving, stage.engine() as staying:
        await leaving.advance()
        await until(lambda: slow.asked)
        await leaving.drain()
        await leaving.advance()
        found = await stage.finish(staying, run, seconds=3)
    assert found["status"] == "succeeded"


async def test_a_slot_that_becomes_free_takes_the_next_run(stage: Stage) -> None:
    workflow = await stage.workflow(transform("a"))
    for _ in range(20):
        await stage.start(workflow)
    async with stage.engine(slots=2) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        await asyncio.sleep(0.5)
    assert await stage.execute("SELECT status, count(*) FROM run GROUP BY status") == [("succeeded", 20)]


async def test_a_run_longer_than_its_workflow_allows_fails(stage: Stage) -> None:
    workflow = await stage.workflow({"id": "d", "type": "delay", "with": {"for": "PT1H"}}, timeout="PT0.2S")
    run = await stage.start(workflow)
    async with stage.engine() as engine:
        found = await stage.finish(engine, run)
    assert found["error"]["type"] == "timeout"


async def test_a_step_longer_than_its_timeout_is_retried_then_fails(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.workflows.domain.calls.GRACE_SECONDS", 0.1)
    workflow = await stage.workflow(http("b", timeout="PT0.1S", retry={"attempts": 2, "initial": "PT0.05S"}))
    run = await stage.start(workflow)
    async with stage.engine(Gated()) as engine:
        found = await stage.finish(engine, run)
    assert found["error"]["type"] == "timeout"
    assert found["steps"][0]["attempts"] == 2


async def test_b55_a_run_keeps_the_version_it_began_with(stage: Stage) -> None:
    from services.workflows.domain import workflows
    from services.workflows.domain.definition import Definition

    slow = Gated()
    workflow = await stage.workflow(http("b"), transform("c", "old"))
    run = await stage.start(workflow)
    async with stage.engine(slow) as engine:
        await engine.advance()
        await until(lambda: slow.asked)
        body = {"name": "New", "trigger": {"type": "manual"}, "steps": [transform("z", "new")]}
        async with stage.service.database.session(stage.organization_id) as session:
            await workflows.replace(session, stage.author, workflow, Definition.model_validate(body), if_match=None)
        slow.gate.set()
        found = await stage.finish(engine, run)
    assert (found["version"], found["output"]) == (1, "old")


async def test_a_run_that_kills_its_workers_is_given_up(stage: Stage) -> None:
    run = await stage.start(await stage.workflow(transform("a")))
    await stage.execute("UPDATE run SET status = 'running', takeovers = 100")
    async with stage.engine() as engine:
        found = await stage.finish(engine, run)
    assert found["error"]["type"] == "worker-lost"


async def test_rows_of_another_organisation_do_not_exist(stage: Stage) -> None:
    run = await stage.start(await stage.workflow(transform("a")))
    stranger = Stage(stage.service)
    with pytest.raises(errors.NotFound):
        await stranger.read(run)
    with pytest.raises(errors.NotFound):
        await stranger.cancel(run)
    async with stage.service.database.session(ids.new()) as session:
        from sqlalchemy import text

        assert (await session.execute(text("SELECT count(*) FROM run"))).scalar() == 0


@pytest.mark.parametrize("given", ["plain text", "", "5", "{", '"', None, 0, [], {"a": "b"}])
async def test_any_json_value_goes_in_and_comes_back(stage: Stage, given: object) -> None:
    """Texts above all: what PostgreSQL has decoded already must not be decoded again, now or after a wait."""
    workflow = await stage.workflow(
        transform("a", "{{ input }}"),
        {"id": "d", "type": "delay", "with": {"for": "PT0.01S"}},
        transform("b", "{{ steps.a.output }}"),
    )
    run = await stage.start(workflow, given)
    async with stage.engine() as engine:
        found = await stage.finish(engine, run)
    assert (found["status"], found["output"], found["input"]) == ("succeeded", given, given)
