"""Approvals over HTTP, with a real engine that waits for them."""

from typing import Any

import httpx2
import pytest

from tests.workflows.stage import Stage, transform, until
from tests.workflows.test_routes import bearer

pytestmark = pytest.mark.integration


def approval(**given: Any) -> dict[str, Any]:
    return {"id": "ask", "type": "approval", "with": given}


async def _waiting(stage: Stage, **given: Any) -> Any:
    return await stage.start(
        await stage.workflow(approval(**given), transform("after", "{{ steps.ask.output.decision }}"))
    )


async def test_a_decision_lets_the_run_go_on(public: httpx2.AsyncClient, stage: Stage) -> None:
    run = await _waiting(stage)
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        listed = await public.get("/approvals?status=open", headers=bearer(stage, "viewer"))
        (item,) = listed.json()["items"]
        assert (item["run_id"], item["step"]) == (str(run), "ask")
        path = f"/approvals/{item['id']}"
        assert (
            await public.post(path, json={"decision": "approve"}, headers=bearer(stage, "viewer"))
        ).status_code == 403
        assert (await public.get(path, headers=bearer(stage))).json()["status"] == "open", "reading decides nothing"
        decided = await public.post(path, json={"decision": "approve", "comment": "fine"}, headers=bearer(stage))
        assert decided.json()["status"] == "approved"
        late = await public.post(path, json={"decision": "reject"}, headers=bearer(stage))
        assert (late.status_code, late.json()["type"]) == (409, "urn:floyo:problem:approval-closed")
        found = await stage.finish(engine, run)
    assert found["output"] == "approve"


async def test_several_must_agree_each_once(public: httpx2.AsyncClient, stage: Stage) -> None:
    run = await _waiting(stage, approvers=["admin"], required=2)
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        (item,) = (await public.get("/approvals", headers=bearer(stage))).json()["items"]
        path, first = f"/approvals/{item['id']}", bearer(stage, "admin")
        body = {"decision": "approve"}
        assert (await public.post(path, json=body, headers=bearer(stage, "member"))).status_code == 403
        assert (await public.post(path, json=body, headers=first)).json()["status"] == "open"
        assert (await public.post(path, json=body, headers=first)).status_code == 409
        assert (await public.post(path, json=body, headers=bearer(stage, "admin"))).json()["status"] == "approved"
        found = await stage.finish(engine, run)
    assert len(found["steps"][0]["output"]["decisions"]) == 2


async def test_a_rejection_ends_the_run(public: httpx2.AsyncClient, stage: Stage) -> None:
    run = await _waiting(stage)
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        (item,) = (await public.get("/approvals", headers=bearer(stage))).json()["items"]
        await public.post(f"/approvals/{item['id']}", json={"decision": "reject"}, headers=bearer(stage))
        found = await stage.finish(engine, run)
    assert found["error"]["type"] == "rejected"


async def test_a_stranger_sees_nothing(public: httpx2.AsyncClient, stage: Stage) -> None:
    await _waiting(stage)
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
    ((approval_id,),) = await stage.execute("SELECT id FROM approval")
    stranger = bearer(Stage(stage.service))
    answer = await public.post(f"/approvals/{approval_id}", json={"decision": "approve"}, headers=stranger)
    assert answer.status_code == 404
    assert (await public.get("/approvals", headers=stranger)).json()["items"] == []


async def test_a_workflow_starts_another_and_waits(stage: Stage) -> None:
    other = await stage.workflow(transform("a", "{{ input.n }}"))
    call = {"id": "w", "type": "workflow", "with": {"id": str(other), "input": {"n": 9}}}
    run = await stage.start(await stage.workflow(call))
    async with stage.engine(platform=True) as engine:
        found = await stage.finish(engine, run)
    assert found["output"]["output"] == 9
    ((cause,),) = await stage.execute("SELECT cause FROM run WHERE depth = 1")
    assert cause == {"kind": "run", "id": str(run), "step": "w", "by": "user:test"}


async def test_the_end_of_a_run_wakes_the_step_that_waits_for_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.workflows.steps.workflow.FIRST_LOOK", 600.0)
    inner = await stage.workflow(transform("a", 9))
    run = await stage.start(await stage.workflow({"id": "w", "type": "workflow", "with": {"id": str(inner)}}))
    async with stage.engine(platform=True) as engine:
        found = await stage.finish(engine, run, seconds=20)
    assert found["status"] == "succeeded"


async def test_b48_a_workflow_that_starts_itself_comes_to_an_end(
    public: httpx2.AsyncClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.workflows.steps.workflow.FIRST_LOOK", 0.02)
    workflow = await stage.workflow(transform("a"))
    body = {
        "name": "Itself",
        "trigger": {"type": "manual"},
        "steps": [{"id": "w", "type": "workflow", "with": {"id": str(workflow)}}],
    }
    assert (await public.put(f"/workflows/{workflow}", json=body, headers=bearer(stage))).status_code == 200
    run = await stage.start(workflow)
    async with stage.engine(platform=True) as engine:
        found = await stage.finish(engine, run, seconds=60)
    assert found["error"]["type"] == "limit-exceeded"
    assert await stage.execute("SELECT count(*) FROM run") == [(17,)]
