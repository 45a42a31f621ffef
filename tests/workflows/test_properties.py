"""Whatever the graph, whatever fails, whoever dies: one legal end, each effect once.

Workers live in this process on a real database. One dies by an exception that nothing catches, raised at a failpoint;
its tasks are thrown away, its leases run out, and another one goes on, as after a crash of a process.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.workflows.domain.engine import Engine
from services.workflows.domain.rows import ENDED
from services.workflows.step import Context
from shared import errors, ids
from shared.testing import faults
from tests.workflows.driving import Answers, drive, execution, statuses
from tests.workflows.graphs import step_lists
from tests.workflows.stage import Stage

pytestmark = pytest.mark.integration

CHILDREN = {"good child": "ok", "bad child": "refused"}
PATIENCE_SECONDS = 20.0
States = dict[str, tuple[str, int]]


class Killed(BaseException):
    """The end of a process."""


class Receiver(Answers):
    """An honest receiver: it performs each key once, and answers by the fate that the address names."""

    def __init__(self) -> None:
        super().__init__()
        self.effects: Counter[str] = Counter()
        self.away: set[str] = set()

    async def http(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        fate, _, number = request["url"].removeprefix("https://example.com/").partition("/")
        await asyncio.sleep(0)
        if fate == "away" and context.key not in self.away:
            self.away.add(context.key)
            raise errors.Unavailable("sibling-unavailable", "away")
        if fate == "refused" or (fate == "flaky" and context.attempt <= int(number)):
            return {"status": 404 if fate == "refused" else 500, "headers": {}, "body": None}
        if not self.effects[context.key]:
            self.effects[context.key] += 1
        return {"status": 200, "headers": {}, "body": None}

    async def start(self, context: Context, workflow_id: UUID, given: Any, *, version: int | None = None) -> UUID:
        self.asked.append((context.key, "start", workflow_id))
        return workflow_id

    async def outcome(self, context: Context, run_id: UUID) -> dict[str, Any] | None:
        """In memory a child is what its workflow makes of it."""
        if run_id == self.good:
            return {"status": "succeeded", "output": {"status": 200, "headers": {}, "body": None}, "error": None}
        return {"status": "failed", "output": None, "error": {"type": "http-status", "detail": "404"}}

    good = ids.new()


class Fate:
    """Kills the worker at some passes of failpoints, counted over all its lives."""

    def __init__(self, kills: set[int]) -> None:
        self.kills = kills
        self.passed = 0
        self.dead = False

    def __call__(self, _name: str) -> None:
        self.passed += 1
        self.dead = self.dead or self.passed in self.kills
        if self.dead:
            raise Killed


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.workflows.domain.execution.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("services.workflows.steps.workflow.FIRST_LOOK", 0.02)
    monkeypatch.setattr("services.workflows.steps.workflow.LAST_LOOK", 0.05)


def _http(name: str, fate: str) -> dict[str, Any]:
    return {"id": name, "type": "http", "with": {"method": "POST", "url": f"https://example.com/{fate}"}}


# A branch fails while the other waits: nothing may go on waiting for what nobody looks at any more.
_BRANCHES = [[_http("a", "refused")], [{"id": "b", "type": "delay", "with": {"for": "PT0.02S"}}]]
DEAD_BRANCH = [
    {"id": "p", "type": "parallel", "with": {"branches": _BRANCHES}, "on_error": "continue"}, _http("c", "ok"),
]  # fmt: skip


@settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@example(steps=DEAD_BRANCH, kills={9})
@given(steps=step_lists(), kills=st.sets(st.integers(1, 25), max_size=4))
async def test_every_run_comes_to_its_one_end(stage: Stage, steps: list[dict[str, Any]], kills: set[int]) -> None:
    expected = await _expect(steps)
    receiver, fate = Receiver(), Fate(kills)
    workflow = await stage.workflow(*_with_children(steps, await _children(stage)))
    run = await stage.start(workflow)
    await _survive(stage, run, receiver, fate)
    found = await stage.read(run)
    states = {step["id"]: (step["status"], step["attempts"]) for step in found["steps"]}
    assert found["status"] == expected[0]
    _check_states(expected[1], states, succeeded=found["status"] == "succeeded")
    _check_effects(found, receiver)
    assert await stage.execute(
        "SELECT count(*) FROM run WHERE finished_at IS NULL OR due_at IS NOT NULL OR lease_owner IS NOT NULL"
    ) == [(0,)]
    assert await stage.execute("SELECT count(*) FROM run_step WHERE status NOT IN ('succeeded', 'failed', 'skipped',"
                               " 'cancelled')") == [(0,)]  # fmt: skip


async def test_the_killing_is_real(stage: Stage) -> None:
    run = await stage.start(await stage.workflow(_http("a", "ok"), _http("b", "ok")))
    receiver, fate = Receiver(), Fate({1, 3, 6, 10})
    await _survive(stage, run, receiver, fate)
    assert fate.passed > 10
    assert (await stage.execute("SELECT lease_token FROM run"))[0].lease_token >= 4, "each life but the first took over"
    assert set(receiver.effects.values()) == {1}


async def _expect(steps: list[dict[str, Any]]) -> tuple[str, States]:
    """What the state machine alone, without a database or a death, makes of the same workflow."""
    receiver = Receiver()
    ids_of = {"good child": str(receiver.good), "bad child": str(ids.new())}
    running = execution(*_with_children(steps, ids_of))
    await drive(running, receiver, until=timedelta(days=1))
    states = {key: (status, running.rows[key].attempts) for key, status in statuses(running).items()}
    return "failed" if running.error else "succeeded", states


async def _children(stage: Stage) -> dict[str, str]:
    made = {}
    for name, fate in CHILDREN.items():
        made[name] = str(await stage.workflow(_http("c", fate)))
    return made


def _with_children(value: Any, children: dict[str, str]) -> Any:
    """The same steps, with ids where children are named."""
    if isinstance(value, list):
        return [_with_children(item, children) for item in value]
    if isinstance(value, dict):
        return {name: _with_children(item, children) for name, item in value.items()}
    return children.get(value, value) if isinstance(value, str) else value


async def _survive(stage: Stage, run: UUID, receiver: Receiver, fate: Fate) -> None:
    """One worker after another until the run and those that it started have ended."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await stage.execute("SELECT 1 FROM run WHERE finished_at IS NULL"):
            fate.dead = False
            async with stage.engine(receiver, platform=True) as engine:
                faults.trap = fate
                try:
                    await _live(stage, engine, fate)
                finally:
                    faults.trap = None
                    await _throw_away(engine)
            await stage.expire_leases()


async def _live(stage: Stage, engine: Engine, fate: Fate) -> None:
    while not fate.dead:
        try:
            await engine.advance()
        except Killed:
            return
        await asyncio.sleep(0.005)
        if not engine.active and not await stage.execute("SELECT 1 FROM run WHERE finished_at IS NULL"):
            return


async def _throw_away(engine: Engine) -> None:
    """Nothing of a dead process goes on."""
    recorder = engine._recorder
    tasks = {active.task for active in engine.active.values()} | recorder._telling | recorder._alone | engine._again
    tasks |= {recorder._flushing} if recorder._flushing else set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _check_states(expected: States, found: States, *, succeeded: bool) -> None:
    """Steps end as they must; in a run that failed, and inside a step that did, some may have been cut short."""
    broken = [key for key, (status, _) in found.items() if status in {"failed", "cancelled"}]
    for key, state in found.items():
        if any(key.startswith(f"{outer}[") for outer in broken):
            continue
        if succeeded or (state[0] in ENDED - {"cancelled"} and expected.get(key, ("pending",))[0] in ENDED):
            assert state == expected[key], key
    if succeeded:
        missing = expected.keys() - found.keys()
        assert all(any(key.startswith(f"{outer}[") for outer in broken) for key in missing)


def _check_effects(found: dict[str, Any], receiver: Receiver) -> None:
    assert all(count == 1 for count in receiver.effects.values())
    for step in found["steps"]:
        if step["type"] == "http" and step["status"] == "succeeded":
            assert receiver.effects[f"{found['id']}:{step['id']}"] == 1
