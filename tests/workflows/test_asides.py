"""Outputs over 256 KiB: kept aside, seen by expressions, readers and parents as any other, gone with their run."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.workflows.domain import erasure
from services.workflows.storage import asides
from tests.workflows.driving import Answers
from tests.workflows.stage import Stage, http, transform, until
from tests.workflows.test_routes import bearer

pytestmark = pytest.mark.integration

LARGE = "x" * 300_000
DELAY = {"id": "d", "type": "delay", "with": {"for": "PT0.2S"}}


def answer(body: Any) -> dict[str, Any]:
    return {"status": 200, "headers": {}, "body": body}


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Which outputs workers have read again."""
    seen: list[list[str]] = []
    load = asides.load

    async def spy(session: Any, run_id: UUID, keys: Any) -> dict[str, Any]:
        seen.append(sorted(keys))
        return await load(session, run_id, keys)

    monkeypatch.setattr(asides, "load", spy)
    return seen


async def test_a_large_output_stands_aside_and_is_seen_everywhere(public: httpx2.AsyncClient, stage: Stage) -> None:
    run = await stage.start(await stage.workflow(http("a"), transform("b", "{{ steps.a.output }}")))
    async with stage.engine(Answers(answer(LARGE))) as engine:
        found = await stage.finish(engine, run)
    assert found["output"]["body"] == LARGE
    assert [step["output"]["body"] for step in found["steps"]] == [LARGE, LARGE]
    rows = await stage.execute("SELECT key, output::text AS output, aside FROM run_step ORDER BY key")
    assert [(row.key, row.output) for row in rows] == [("a", None), ("b", None)]
    assert all(row.aside > 300_000 for row in rows)
    assert await stage.execute("SELECT output::text, output_key FROM run") == [(None, "b")]
    shown = (await public.get(f"/runs/{run}", headers=bearer(stage))).json()
    assert (shown["output"]["body"], shown["steps"][0]["output"]["body"]) == (LARGE, LARGE)
    (listed,) = (await public.get("/runs", headers=bearer(stage))).json()["items"]
    assert listed["output"] is None


async def test_another_worker_reads_only_what_is_looked_at(stage: Stage, loads: list[list[str]]) -> None:
    look = transform("look", "{{ length(steps.b.output.body) }}")
    run = await stage.start(await stage.workflow(http("a"), http("b"), DELAY, transform("c", 1), look))
    async with stage.engine(Answers(answer(LARGE), answer(LARGE))) as first:
        await first.advance()
        await until(lambda: not first.active)
    async with stage.engine() as second:
        found = await stage.finish(second, run)
    assert found["output"] == len(LARGE)
    assert loads == [["a", "b"]], "nothing before the step that looks at steps"


async def test_a_run_that_looks_at_nothing_reads_nothing(stage: Stage, loads: list[list[str]]) -> None:
    run = await stage.start(await stage.workflow(http("a"), DELAY, transform("c", 1)))
    async with stage.engine(Answers(answer(LARGE))) as engine:
        assert (await stage.finish(engine, run))["output"] == 1
    assert loads == []


async def test_branches_and_parents_get_large_outputs(stage: Stage) -> None:
    inner = await stage.workflow(transform("a", LARGE))
    call = {"id": "w", "type": "workflow", "with": {"id": str(inner)}}
    loop = {"id": "l", "type": "foreach", "with": {"items": [1, 2], "concurrency": 1, "steps": [call, DELAY, transform(
        "size", "{{ length(steps.w.output.output) }}"), transform("all", "{{ steps.w.output.output }}")]}}  # fmt: skip
    run = await stage.start(await stage.workflow(loop, transform("z", "{{ length(steps.l.output[1]) }}")))
    async with stage.engine(platform=True) as engine:
        found = await stage.finish(engine, run, seconds=20)
    assert found["output"] == len(LARGE)


async def test_large_outputs_go_with_their_organisation(stage: Stage) -> None:
    run = await stage.start(await stage.workflow(transform("a", LARGE)))
    async with stage.engine() as engine:
        await stage.finish(engine, run)
    assert await stage.execute("SELECT count(*) FROM step_output") == [(1,)]
    async with stage.service.database.system() as session:
        await erasure.ask(session, stage.organization_id)
    while await erasure.erase(stage.service.database):
        pass
    assert await stage.execute("SELECT count(*) FROM step_output") == [(0,)]


@pytest.mark.parametrize(("size", "status"), [((4 << 20) - 60, "succeeded"), (4 << 20, "failed")])
async def test_b49_four_mebibytes_are_the_most(stage: Stage, size: int, status: str) -> None:
    run = await stage.start(await stage.workflow(http("a")))
    async with stage.engine(Answers(answer("x" * size))) as engine:
        found = await stage.finish(engine, run)
    assert found["status"] == status
    if status == "failed":
        assert found["error"]["type"] == "output-too-large"
        assert "4194304 are allowed" in found["error"]["detail"]
