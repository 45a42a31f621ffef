"""Messages: what siblings' facts erase here, and which facts of ours are told to whom."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.workflows.domain import audience, erasure, workflows
from services.workflows.domain.approvals import Decision, decide
from services.workflows.messages import ApprovalRequested, RunFinished
from services.workflows.storage import approvals
from shared import clock, ids
from tests.workflows.stage import Stage, transform, until
from tests.workflows.test_routes import sibling

pytestmark = pytest.mark.integration

ASK = {"id": "ask", "type": "approval"}
TABLES = ("workflow", "workflow_version", "trigger", "run", "run_step", "approval", "firing")


async def receive(internal: httpx2.AsyncClient, sender: str, kind: str, body: dict[str, Any]) -> None:
    path = "/internal/messages"
    envelope = {"id": str(ids.new()), "type": kind, "version": 1, "trace_id": "0" * 32, "body": body}
    for applied in (True, False):
        answer = await internal.post(path, json=envelope, headers=sibling(sender, "POST", path))
        assert (answer.status_code, answer.json()) == (200, {"applied": applied})


async def counts(stage: Stage) -> dict[str, int]:
    return {name: (await stage.execute(f"SELECT count(*) FROM {name}"))[0][0] for name in TABLES}


class Integrations:
    """A sibling that says who listens."""

    def __init__(self, *organizations: UUID) -> None:
        self.organizations = organizations

    async def call(self, _service: str, _method: str, path: str, **_more: Any) -> Any:
        assert path == "/internal/audiences/workflow.run_finished"
        return {"items": [str(item) for item in self.organizations], "next": None}


async def published(stage: Stage, kind: str) -> list[Any]:
    query = "SELECT recipient, key, version, body FROM outbox WHERE type = :kind ORDER BY position"
    return list(await stage.execute(query, kind=kind))


async def test_an_organization_that_is_gone_leaves_nothing(stage: Stage, internal: httpx2.AsyncClient) -> None:
    other = Stage(stage.service)
    run = await other.start(await other.workflow(transform("a")))
    async with other.engine() as engine:
        await other.finish(engine, run)
    kept = await counts(stage)
    schedule = {"type": "schedule", "cron": "0 * * * *"}
    workflow = await stage.workflow(transform("a"), ASK, trigger=schedule)
    running = [await stage.start(workflow) for _ in range(3)]
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
    await receive(internal, "auth", "organization.deleted", {"organization_id": str(stage.organization_id), "more": 1})
    assert {(await stage.read(run))["status"] for run in running} == {"cancelled"}
    assert await stage.execute("SELECT count(*) FROM trigger WHERE active AND next_at IS NOT NULL") == [(0,)]
    while await erasure.erase(stage.service.database):
        pass
    assert await counts(stage) == kept
    assert await stage.execute("SELECT count(*) FROM erasure") == [(1,)]
    await stage.execute("UPDATE erasure SET asked_at = :at", at=clock.now() - timedelta(hours=1))
    await erasure.erase(stage.service.database)
    assert await stage.execute("SELECT count(*) FROM erasure") == [(0,)]


async def test_a_person_who_is_gone_leaves_no_trace(stage: Stage, internal: httpx2.AsyncClient) -> None:
    person = ids.new()
    subject = f"user:{person}"
    workflow = await stage.workflow(ASK, transform("a", "{{ steps.ask.output }}"))
    run = await stage.start(workflow)
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        ((approval_id,),) = await stage.execute("SELECT id FROM approval")
        made = {"approval_id": approval_id, "organization_id": stage.organization_id, "decided_by": subject}
        made |= {"decision": "approve", "comment": None, "decided_at": clock.now()}
        async with stage.service.database.system() as session:
            await approvals.decide(session, made)
            await approvals.close(session, approval_id, "approved", clock.now())
            await approvals.poke(session, run, "ask")
        found = await stage.finish(engine, run)
    assert found["output"]["decisions"][0]["by"] == subject
    for table in ("workflow", "workflow_version"):
        await stage.execute(f"UPDATE {table} SET created_by = :subject", subject=subject)
    await stage.execute("UPDATE run SET cause = json_build_object('kind', 'manual', 'by', CAST(:s AS text))", s=subject)
    body = {"user_id": str(person), "organization_ids": [str(stage.organization_id)]}
    await receive(internal, "auth", "user.deleted", body)
    for table in ("workflow", "workflow_version", "run", "run_step", "approval", "approval_decision"):
        rows = await stage.execute(f"SELECT {table}::text FROM {table}")
        assert rows, table
        assert not any(str(person) in row[0] for row in rows), table
    assert (await stage.read(run))["output"]["decisions"][0]["by"].startswith("user:deleted")


async def test_owners_decide_for_somebody_who_is_gone(stage: Stage, internal: httpx2.AsyncClient) -> None:
    person, colleague = ids.new(), ids.new()
    asked = {**ASK, "with": {"approvers": [str(person).upper(), str(colleague)], "required": 2}}
    noted = transform("a", {"by": f"user:{person}", "approvers": "{{ steps.ask.output }}"})
    workflow = await stage.workflow(asked, noted)
    elsewhere = Stage(stage.service)
    untouched = await elsewhere.workflow(asked)
    run = await stage.start(workflow)
    event = {"actor": str(person), "source": "s", "type": "t", "data": {"secret": "canary-91"}}
    given = json.dumps({"type": "event", "data": event["data"]})
    await stage.execute(
        "UPDATE run SET event = CAST(:e AS json), trigger = CAST(:t AS json)", e=json.dumps(event), t=given
    )
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        await until(lambda: not engine.active)
        body = {"user_id": str(person), "organization_ids": [str(stage.organization_id)]}
        await receive(internal, "auth", "user.deleted", body)
        for table in ("workflow_version", "run", "run_step", "approval", "trigger"):
            where = f"organization_id = '{stage.organization_id}'"
            rows = await stage.execute(f"SELECT {table}::text FROM {table} WHERE {where}")
            assert rows, table
            assert not any(str(person) in row[0].lower() or "canary-91" in row[0] for row in rows), table
        ((approval_id, approvers),) = await stage.execute("SELECT id, approvers FROM approval")
        assert set(approvers) == {"owner", str(colleague)}
        for user_id, role in ((colleague, "member"), (ids.new(), "owner")):
            made = Decision(
                organization_id=stage.organization_id, approval_id=approval_id, user_id=user_id, role=role,
                subject=f"user:{user_id}", decision="approve", comment=None,
            )  # fmt: skip
            async with stage.service.database.session(stage.organization_id) as session:
                await decide(session, made)
        found = await stage.finish(engine, run)
    assert found["status"] == "succeeded"
    async with stage.engine(platform=True) as engine:
        again = await stage.start(workflow)
        await engine.advance()
        await until(lambda: not engine.active)
        assert (await stage.read(again))["version"] == 2
        (row,) = await stage.execute("SELECT approvers FROM approval WHERE status = 'open'")
        assert set(row.approvers) == {"owner", str(colleague)}
    async with stage.service.database.session(elsewhere.organization_id) as session:
        other = await workflows.get(session, elsewhere.organization_id, untouched)
    assert other.definition["steps"][0]["with"]["approvers"] == [str(person).upper(), str(colleague)]


async def test_the_end_of_a_run_is_told_where_somebody_listens(stage: Stage) -> None:
    listening, other = Stage(stage.service), Stage(stage.service)
    known = await audience.refresh(
        stage.service.database, Integrations(listening.organization_id), None,  # type: ignore[arg-type]
    )  # fmt: skip
    for each in (listening, other):
        done, cancelled = [await each.start(await each.workflow(transform("a"))) for _ in range(2)]
        await each.cancel(cancelled)
        async with each.engine() as engine:
            await each.finish(engine, done)
    told = await published(stage, RunFinished.type)
    assert [(row.recipient, row.version) for row in told] == [("integrations", RunFinished.version)] * 2
    messages = [RunFinished.model_validate(row.body) for row in told]
    assert [message.status for message in messages] == ["cancelled", "succeeded"]
    assert {message.organization_id for message in messages} == {listening.organization_id}
    assert set(messages[0].model_dump()) == set(told[0].body)
    await audience.refresh(stage.service.database, Integrations(), known)  # type: ignore[arg-type]
    assert await stage.execute("SELECT count(*) FROM audience") == [(0,)]


async def test_an_approval_is_told_of_once(stage: Stage) -> None:
    run = await stage.start(await stage.workflow({**ASK, "with": {"approvers": ["owner"]}}))
    async with stage.engine(platform=True) as engine:
        for _ in range(2):
            await engine.advance()
            await until(lambda: not engine.active)
            await stage.execute("UPDATE run SET due_at = now()")
            await stage.execute("UPDATE run_step SET due_at = now()")
    (*_, body), (*_, again) = await published(stage, ApprovalRequested.type)
    assert body == again, "one for webhooks, one for letters"
    assert ApprovalRequested.model_validate(body).run_id == run
