"""The flag of the workflows service: runs whose organisation does not share commits end all the same."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.workflows.domain.engine import Engine
from services.workflows.domain.recorder import Recorder
from services.workflows.jobs.runs import open_engine
from shared.flags import RUN_GROUP_COMMIT
from shared.service import Service
from tests.fixtures.switches import evaluations, switched
from tests.workflows.stage import Stage, transform, until


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """The organisations of each transaction that stored progress."""
    found: list[list[Any]] = []
    write = Recorder._write

    async def listen(self: Recorder, batch: Any) -> None:
        found.append([record.organization_id for record, _ in batch])
        await write(self, batch)

    monkeypatch.setattr(Recorder, "_write", listen)
    return found


@pytest.fixture
async def engine(service_workflows: Service) -> AsyncIterator[Engine]:
    """The worker's engine as the worker opens it."""
    async with open_engine(service_workflows):
        yield service_workflows.part(Engine)


async def run_ten(stage: Stage, engine: Engine) -> list[str]:
    """Ten runs at once; how they ended."""
    workflow_id = await stage.workflow(transform("a"), transform("b"))
    started = [await stage.start(workflow_id) for _ in range(10)]
    await engine.advance()
    await until(lambda: not engine.active)
    return [(await stage.read(run_id))["status"] for run_id in started]


async def test_progress_is_stored_alone_where_the_flag_is_off(
    stage: Stage, service_workflows: Service, engine: Engine, commits: list[Any]
) -> None:
    counted = evaluations(RUN_GROUP_COMMIT, enabled=False)
    async with switched(service_workflows, RUN_GROUP_COMMIT, enabled=False):
        assert await run_ten(stage, engine) == ["succeeded"] * 10
    assert [len(batch) for batch in commits] == [1] * 10
    assert evaluations(RUN_GROUP_COMMIT, enabled=False) - counted == 10


async def test_commits_are_shared_by_the_organisations_it_is_on_for(
    stage: Stage, service_workflows: Service, engine: Engine, commits: list[Any]
) -> None:
    other = Stage(service_workflows)
    async with switched(service_workflows, RUN_GROUP_COMMIT, percentage=0, organizations=[stage.organization_id]):
        ended = await asyncio.gather(run_ten(stage, engine), run_ten(other, engine))
    assert [*ended[0], *ended[1]] == ["succeeded"] * 20
    alone = [batch for batch in commits if other.organization_id in batch]
    shared = [batch for batch in commits if stage.organization_id in batch]
    assert [len(batch) for batch in alone] == [1] * 10
    assert sum(map(len, shared)) == 10
    assert len(shared) < 10
