"""Approvals over HTTP, with a real engine that waits for them."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.workflows.domain import causes, erasure, runs
from shared import ids
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


@pytest.mark.parametrize(
    ("pinned", "expected"), [({}, "second"), ({"version": 1}, "first"), ({"version": 9}, "workflow-unavailable")]
)
async def test_a_workflow_starts_another_at_its_present_version_or_a_pinned_one(
    public: httpx2.AsyncClient, stage: Stage, pinned: dict[str, int], expected: str
) -> None:
    other = await stage.workflow(transform("a", "first"))
    body = {"name": "Other", "trigger": {"type": "manual"}, "steps": [transform("a", "second")]}
    assert (await public.put(f"/workflows/{other}", json=body, headers=bearer(stage))).json()["version"] == 2
    call = {"id": "w", "type": "workflow", "with": {"id": str(other), **pinned}}
    run = await stage.start(await stage.workflow(call))
    async with stage.engine(platform=True) as engine:
        found = await stage.finish(engine, run)
    assert (found["error"]["type"] if found["error"] else found["output"]["output"]) == expected


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
    assert await stage.execute("SELECT max(depth) FROM run") == [(causes.MOST_NESTED,)]
    assert await stage.execute("SELECT count(*) FROM run") == [(causes.MOST_NESTED + 1,)]


async def test_nobody_decides_what_they_have_started(public: httpx2.AsyncClient, stage: Stage) -> None:
    starter, colleague = bearer(stage, "admin"), bearer(stage, "admin")
    inner = await stage.workflow(approval())
    workflow = await stage.workflow({"id": "w", "type": "workflow", "with": {"id": str(inner)}})
    run = (await public.post(f"/workflows/{workflow}/runs", json={}, headers=starter)).json()["id"]
    async with stage.engine(platform=True) as engine:
        for _ in range(2):
            await engine.advance()
            await until(lambda: not engine.active)
        (item,) = (await public.get("/approvals", headers=colleague)).json()["items"]
        refused = await public.post(f"/approvals/{item['id']}", json={"decision": "approve"}, headers=starter)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:floyo:problem:own-request")
        decided = await public.post(f"/approvals/{item['id']}", json={"decision": "approve"}, headers=colleague)
        assert decided.json()["status"] == "approved"
        assert (await stage.finish(engine, UUID(run)))["status"] == "succeeded"


async def test_a_form_is_filled_in_with_the_approval(public: httpx2.AsyncClient, stage: Stage) -> None:
    form = [
        {"name": "amount", "type": "number", "required": True},
        {"name": "where", "type": "choice", "choices": ["Oslo", "Bergen"]},
    ]
    run = await _waiting(stage, form=form)
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        (item,) = (await public.get("/approvals", headers=bearer(stage))).json()["items"]
        path = f"/approvals/{item['id']}"
        shown = (await public.get(path, headers=bearer(stage))).json()["form"]
        assert [question["name"] for question in shown] == ["amount", "where"]
        for answers, pointer in (({}, "amount"), ({"amount": "x"}, "amount"), ({"amount": 1, "where": "Rome"}, "where"),
                                 ({"amount": 1, "more": 2}, "more")):  # fmt: skip
            refused = await public.post(path, json={"decision": "approve", "answers": answers}, headers=bearer(stage))
            assert refused.json()["errors"][0]["pointer"] == f"/answers/{pointer}"
        given = {"decision": "approve", "answers": {"amount": 12.5, "where": "Oslo"}}
        assert (await public.post(path, json=given, headers=bearer(stage))).status_code == 200
        found = await stage.finish(engine, run)
    assert found["steps"][0]["output"]["decisions"][0]["answers"] == {"amount": 12.5, "where": "Oslo"}


async def test_an_approval_ends_with_its_run_and_is_asked_anew(public: httpx2.AsyncClient, stage: Stage) -> None:
    run = await _waiting(stage)
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        (first,) = (await public.get("/approvals", headers=bearer(stage))).json()["items"]
        assert (await public.post(f"/runs/{run}/cancel", headers=bearer(stage))).status_code == 200
        path, body = f"/approvals/{first['id']}", {"decision": "approve"}
        assert (await public.get(path, headers=bearer(stage))).json()["status"] == "withdrawn"
        assert (await public.post(path, json=body, headers=bearer(stage))).status_code == 409
        assert (await public.post(f"/runs/{run}/retry", headers=bearer(stage))).status_code == 202
        await engine.advance()
        await until(lambda: not engine.active)
        (second,) = (await public.get("/approvals?status=open", headers=bearer(stage))).json()["items"]
        assert second["id"] != first["id"]
        await public.post(f"/approvals/{second['id']}", json=body, headers=bearer(stage))
        assert (await stage.finish(engine, run))["status"] == "succeeded"


async def test_the_page_asks_and_decides_nothing(public: httpx2.AsyncClient, stage: Stage) -> None:
    await _waiting(stage)
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
    ((approval_id,),) = await stage.execute("SELECT id FROM approval")
    page = await public.get(f"/approvals/pages/{approval_id}")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert str(approval_id) not in page.text
    for name in ("approval.js", "approval.css"):
        assert f"../assets/{name}" in page.text
        assert (await public.get(f"/approvals/assets/{name}")).status_code == 200
    assert (await public.get("/approvals/assets/..%2f..%2fapp.py")).status_code == 404
    assert await stage.execute("SELECT status FROM approval") == [("open",)], "scanners decide nothing"


async def test_a_person_who_is_gone_is_not_named_as_having_asked(stage: Stage) -> None:
    person = ids.new()
    async with stage.service.database.session(stage.organization_id) as session:
        workflow = await stage.workflow(approval())
        await runs.start_by_hand(
            session, stage.organization_id, workflow, given=None, dry_run=False, subject=f"user:{person}"
        )
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
    assert await stage.execute("SELECT requested_by FROM approval") == [(f"user:{person}",)]
    async with stage.service.database.system() as session:
        await erasure.forget_user(session, person, [stage.organization_id])
    assert await stage.execute("SELECT requested_by FROM approval") == [("user:deleted",)]
