"""The public and internal routes, over HTTP, on a real database."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.workflows.domain import workflows
from shared import ids
from shared.servicetokens import ServiceTokens
from tests.fixtures.pools import most_in_use
from tests.workflows.driving import Answers
from tests.workflows.stage import Stage, transform
from tests.workflows.tokens import SEEDS, access_token, public_keys

pytestmark = pytest.mark.integration

BODY: dict[str, Any] = {"name": "Tell", "trigger": {"type": "manual"}, "steps": [transform("a", "{{ input.n }}")]}


def bearer(stage: Stage, role: str = "owner") -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token(stage.organization_id, role)}"}


def sibling(name: str, method: str, path: str) -> dict[str, str]:
    tokens = ServiceTokens(name, SEEDS[name], public_keys())
    return {"Authorization": f"Bearer {tokens.mint('workflows', method, path)}"}


async def test_saving_and_reading_back(public: httpx2.AsyncClient, stage: Stage) -> None:
    created = await public.post("/workflows", json=BODY, headers=bearer(stage))
    assert created.status_code == 201, created.text
    saved = created.json()
    assert (saved["version"], saved["active"], saved["steps"]) == (1, True, BODY["steps"])
    found = await public.get(f"/workflows/{saved['id']}", headers=bearer(stage, "viewer"))
    assert found.json() == saved
    assert found.headers["etag"] == created.headers["etag"]
    listed = await public.get("/workflows", headers=bearer(stage))
    assert [item["id"] for item in listed.json()["items"]] == [saved["id"]]


async def test_a_new_version_needs_the_present_one(public: httpx2.AsyncClient, stage: Stage) -> None:
    created = await public.post("/workflows", json=BODY, headers=bearer(stage))
    path, tag = f"/workflows/{created.json()['id']}", created.headers["etag"]
    second = await public.put(path, json={**BODY, "name": "B"}, headers={**bearer(stage), "If-Match": tag})
    assert (second.status_code, second.json()["version"]) == (200, 2)
    late = await public.put(path, json=BODY, headers={**bearer(stage), "If-Match": tag})
    assert (late.status_code, late.json()["type"]) == (412, "urn:floyo:problem:version-changed")
    versions = await public.get(f"{path}/versions", headers=bearer(stage))
    assert [item["version"] for item in versions.json()["items"]] == [2, 1]
    diff = await public.get(f"{path}/diff?from=1&to=2", headers=bearer(stage))
    assert diff.json()["changes"] == [{"pointer": "/name", "change": "changed", "before": "Tell", "after": "B"}]
    back = await public.post(f"{path}/rollback", json={"version": 1}, headers=bearer(stage))
    assert (back.json()["version"], back.json()["name"]) == (3, "Tell")


async def test_faults_carry_pointers(public: httpx2.AsyncClient, stage: Stage) -> None:
    wrong = {**BODY, "steps": [transform("a", "{{ oops }}"), {"id": "../x", "type": "transform"}]}
    answer = await public.post("/workflows", json=wrong, headers=bearer(stage))
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/steps/1/id"}
    wrong["steps"] = [transform("a", "{{ oops }}")]
    answer = await public.post("/workflows", json=wrong, headers=bearer(stage))
    assert answer.json()["errors"][0]["pointer"] == "/steps/0/with/output"


async def test_starting_and_waiting(public: httpx2.AsyncClient, stage: Stage) -> None:
    workflow = await stage.workflow(*BODY["steps"])
    async with stage.engine(Answers()) as engine:
        call = asyncio.create_task(
            public.post(f"/workflows/{workflow}/runs?wait=10", json={"input": {"n": 7}}, headers=bearer(stage))
        )
        while not call.done():
            await engine.advance()
            await asyncio.sleep(0.02)
    answer = await call
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["output"]) == ("succeeded", 7)


async def test_a_run_goes_by_the_present_version_or_by_the_one_it_names(
    public: httpx2.AsyncClient, stage: Stage
) -> None:
    workflow = await stage.workflow(transform("a", "first"))
    body = {**BODY, "steps": [transform("a", "second")]}
    assert (await public.put(f"/workflows/{workflow}", json=body, headers=bearer(stage))).json()["version"] == 2
    outputs = []
    async with stage.engine() as engine:
        for asked in ({}, {"version": 1}, {"version": 2}, {"version": 1, "dry_run": True}):
            started = await public.post(f"/workflows/{workflow}/runs", json=asked, headers=bearer(stage))
            outputs.append((await stage.finish(engine, UUID(started.json()["id"])))["output"])
    assert outputs == ["second", "first", "second", "first"]
    for absent in (3, 0, "1"):
        refused = await public.post(f"/workflows/{workflow}/runs", json={"version": absent}, headers=bearer(stage))
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/version")


async def test_waiting_is_bounded(public: httpx2.AsyncClient, stage: Stage) -> None:
    workflow = await stage.workflow(*BODY["steps"])
    answer = await public.post(f"/workflows/{workflow}/runs?wait=0.2", headers=bearer(stage))
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    refused = await public.post(f"/workflows/{workflow}/runs?wait=61", headers=bearer(stage))
    assert refused.status_code == 422


async def test_the_same_key_starts_one_run(public: httpx2.AsyncClient, stage: Stage) -> None:
    workflow = await stage.workflow(*BODY["steps"])
    headers = {**bearer(stage), "Idempotency-Key": "k"}
    path = f"/workflows/{workflow}/runs"
    answers = await asyncio.gather(*(public.post(path, json={"input": 1}, headers=headers) for _ in range(4)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await public.post(path, json={"input": 2}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:floyo:problem:idempotency-mismatch")
    assert await stage.execute("SELECT count(*) FROM run") == [(1,)]


async def test_a_hundred_requests_with_one_key_leave_the_pool_to_others(
    public: httpx2.AsyncClient, stage: Stage
) -> None:
    workflow = await stage.workflow(*BODY["steps"])
    headers = {**bearer(stage), "Idempotency-Key": "k"}
    for path, body in ((f"/workflows/{workflow}/runs", {"input": 1}), ("/workflows", BODY)):
        posts = [public.post(path, json=body, headers=headers) for _ in range(100)]
        answers, most = await most_in_use(stage.service.database, posts)
        assert {answer.status_code for answer in answers} <= {201, 202}
        assert len({answer.content for answer in answers}) == 1
        assert most <= 2


async def test_b51_a_deactivated_workflow_starts_nothing(
    public: httpx2.AsyncClient, internal: httpx2.AsyncClient, stage: Stage
) -> None:
    trigger = {"type": "event", "match": {"source": "github", "where": "event.data.n > 1"}}
    created = await public.post("/workflows", json={**BODY, "trigger": trigger}, headers=bearer(stage))
    path = f"/workflows/{created.json()['id']}"
    await public.post(f"{path}/runs", headers=bearer(stage))
    off = await public.post(f"{path}/deactivate", json={"cancel_runs": True}, headers=bearer(stage))
    assert off.json()["active"] is False
    listed = await public.get("/runs?status=cancelled", headers=bearer(stage))
    assert len(listed.json()["items"]) == 1
    refused = await public.post(f"{path}/runs", headers=bearer(stage))
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:floyo:problem:workflow-inactive")
    assert await _match(internal, stage, {"n": 2}) == 0


async def _match(internal: httpx2.AsyncClient, stage: Stage, data: Any, event_id: str = "e1") -> int:
    ((trigger_id,),) = await stage.execute("SELECT id FROM trigger")
    event = {"id": event_id, "source": "github", "type": "x", "subject": None, "data": data}
    match = {"trigger_id": str(trigger_id), "organization_id": str(stage.organization_id), "event": event}
    answer = await internal.post(
        "/internal/trigger-matches",
        json={"matches": [match, match]},
        headers=sibling("events", "POST", "/internal/trigger-matches"),
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["started"])


async def test_an_event_starts_one_run(public: httpx2.AsyncClient, internal: httpx2.AsyncClient, stage: Stage) -> None:
    trigger = {"type": "event", "match": {"source": "github", "where": "event.data.n > 1"}}
    step = transform("a", "{{ trigger.data.n }} of {{ event.source }}")
    created = await public.post("/workflows", json={**BODY, "trigger": trigger, "steps": [step]}, headers=bearer(stage))
    assert created.status_code == 201
    told = await stage.execute("SELECT type FROM outbox WHERE recipient = 'events'")
    assert told == [("workflow.trigger_changed",)]
    assert await _match(internal, stage, {"n": 1}, "small") == 0
    assert await _match(internal, stage, {"n": 2}) == 1
    assert await _match(internal, stage, {"n": 2}) == 0
    async with stage.engine() as engine:
        ((run,),) = await stage.execute("SELECT id FROM run")
        found = await stage.finish(engine, run)
    assert found["output"] == "2 of github"
    assert found["trigger"] == {"type": "event", "data": {"n": 2}}
    assert found["cause"] == {"kind": "event", "id": "e1"}


@pytest.mark.usefixtures("public")
async def test_a_suggestion_makes_one_workflow(internal: httpx2.AsyncClient, stage: Stage) -> None:
    suggestion = str(ids.new())
    body = {
        "organization_id": str(stage.organization_id),
        "definition": BODY,
        "origin": {"type": "suggestion", "id": suggestion},
        "event": {"id": "e1", "source": "s", "type": "t", "data": {"n": 1}},
    }
    headers = sibling("events", "POST", "/internal/workflows")
    first = await internal.post("/internal/workflows", json=body, headers=headers)
    again = await internal.post("/internal/workflows", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert await stage.execute("SELECT active, version FROM workflow") == [(False, 1)]
    ((run, dry, cause),) = await stage.execute("SELECT id, dry_run, cause FROM run")
    assert (str(run), dry) == (first.json()["dry_run_id"], True)
    assert cause == {"kind": "suggestion", "id": suggestion}
    async with stage.engine() as engine:
        assert (await stage.finish(engine, run))["status"] == "succeeded"


@pytest.mark.usefixtures("public")
async def test_an_applied_workflow_follows_its_draft_until_somebody_takes_it_up(
    internal: httpx2.AsyncClient, stage: Stage
) -> None:
    origin = {"type": "suggestion", "id": str(ids.new())}
    headers = sibling("events", "POST", "/internal/workflows")

    async def apply(name: str) -> tuple[int, str, int]:
        definition = {**BODY, "name": name}
        body = {"organization_id": str(stage.organization_id), "definition": definition, "origin": origin}
        answer = await internal.post("/internal/workflows", json=body, headers=headers)
        ((stored, version),) = await stage.execute("SELECT name, version FROM workflow")
        return answer.status_code, stored, version

    assert await apply("first") == (201, "first", 1)
    assert await apply("first") == (200, "first", 1)
    assert await apply("second") == (200, "second", 2)
    assert await apply("third") == (200, "second", 2), "a second version may be somebody's own"


@pytest.mark.usefixtures("public")
async def test_an_active_workflow_follows_no_draft(internal: httpx2.AsyncClient, stage: Stage) -> None:
    origin = {"type": "suggestion", "id": str(ids.new())}
    headers = sibling("events", "POST", "/internal/workflows")
    body = {"organization_id": str(stage.organization_id), "definition": BODY, "origin": origin}
    workflow = (await internal.post("/internal/workflows", json=body, headers=headers)).json()["workflow_id"]
    async with stage.service.database.session(stage.organization_id) as session:
        await workflows.switch(session, stage.author, UUID(workflow), active=True)
    changed = {**body, "definition": {**BODY, "name": "other"}}
    assert (await internal.post("/internal/workflows", json=changed, headers=headers)).status_code == 200
    assert await stage.execute("SELECT name, version FROM workflow") == [(BODY["name"], 1)]


async def test_a_dry_run_needs_no_active_workflow(public: httpx2.AsyncClient, stage: Stage) -> None:
    created = (await public.post("/workflows", json=BODY, headers=bearer(stage))).json()
    path = f"/workflows/{created['id']}"
    await public.post(f"{path}/deactivate", json={}, headers=bearer(stage))
    assert (await public.post(f"{path}/runs", json={"dry_run": True}, headers=bearer(stage))).status_code == 202
    assert (await public.post(f"{path}/runs", json={}, headers=bearer(stage))).status_code == 409


async def test_only_events_may_apply(internal: httpx2.AsyncClient) -> None:
    headers = sibling("integrations", "POST", "/internal/workflows")
    answer = await internal.post("/internal/workflows", json={}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/workflows/{id}"),
        ("PUT", "/workflows/{id}"),
        ("DELETE", "/workflows/{id}"),
        ("POST", "/workflows/{id}/activate"),
        ("POST", "/workflows/{id}/deactivate"),
        ("POST", "/workflows/{id}/runs"),
        ("GET", "/workflows/{id}/versions"),
        ("POST", "/workflows/{id}/rollback"),
        ("GET", "/workflows/{id}/diff?from=1&to=1"),
        ("GET", "/workflows/{id}/export"),
        ("GET", "/runs/{run}"),
        ("POST", "/runs/{run}/cancel"),
        ("POST", "/runs/{run}/retry"),
    ],
)
async def test_b23_foreign_object(public: httpx2.AsyncClient, stage: Stage, method: str, path: str) -> None:
    workflow = await stage.workflow(*BODY["steps"])
    run = await stage.start(workflow)
    body: Any = BODY if method == "PUT" else {"version": 1} if "rollback" in path else None
    stranger = Stage(stage.service)
    foreign = await public.request(method, path.format(id=workflow, run=run), json=body, headers=bearer(stranger))
    missing = await public.request(
        method, path.format(id=ids.new(), run=ids.new()), json=body, headers=bearer(stranger)
    )
    assert foreign.status_code == missing.status_code == 404
    assert {**foreign.json(), "trace_id": ""} == {**missing.json(), "trace_id": ""}


async def test_b25_a_viewer_retries_nothing(public: httpx2.AsyncClient, stage: Stage) -> None:
    run = await stage.start(await stage.workflow(*BODY["steps"]))
    for path in (f"/runs/{run}/retry", f"/runs/{run}/cancel"):
        assert (await public.post(path, headers=bearer(stage, "viewer"))).status_code == 403


async def test_retry_goes_on_from_the_failed_step(public: httpx2.AsyncClient, stage: Stage) -> None:
    answers = Answers({"status": 404, "headers": {}, "body": None})
    http = {"id": "b", "type": "http", "with": {"url": "https://example.com"}}
    run = await stage.start(await stage.workflow(transform("a"), http, transform("c")))
    async with stage.engine(answers) as engine:
        failed = await stage.finish(engine, run)
        assert [step["status"] for step in failed["steps"]] == ["succeeded", "failed", "pending"]
        answer = await public.post(f"/runs/{run}/retry", headers=bearer(stage, "member"))
        assert answer.status_code == 202
        found = await stage.finish(engine, run)
    assert found["status"] == "succeeded"
    assert len(answers.asked) == 2
    again = await public.post(f"/runs/{run}/retry", headers=bearer(stage))
    assert again.status_code == 409


async def test_many_are_retried_at_a_rate(public: httpx2.AsyncClient, stage: Stage) -> None:
    workflow = await stage.workflow({"id": "b", "type": "http", "with": {"url": "https://example.com"}})
    for _ in range(5):
        await stage.start(workflow)
    async with stage.engine(Answers(*[{"status": 404, "headers": {}, "body": None}] * 5)) as engine:
        await engine.advance()
        while engine.active:  # noqa: ASYNC110 - asks the engine
            await asyncio.sleep(0.01)
    body = {"workflow_id": str(workflow), "status": "failed", "per_second": 2}
    answer = await public.post("/runs/retry", json=body, headers=bearer(stage))
    assert answer.json() == {"retried": 5}
    ((seconds,),) = await stage.execute("SELECT extract(epoch FROM max(due_at) - min(due_at)) FROM run")
    assert 1.9 < float(seconds) < 2.2


async def test_export_and_import(public: httpx2.AsyncClient, stage: Stage) -> None:
    workflow = await stage.workflow(*BODY["steps"])
    exported = await public.get(f"/workflows/{workflow}/export", headers=bearer(stage))
    assert exported.headers["content-type"].startswith("application/yaml")
    headers = {**bearer(stage), "Content-Type": "application/yaml"}
    again = await public.post("/workflows/import", content=exported.content, headers=headers)
    assert (again.status_code, again.json()["id"], again.json()["version"]) == (200, str(workflow), 1)
    changed = exported.text.replace("A workflow", "Another")
    updated = await public.post("/workflows/import", content=changed, headers=headers)
    assert (updated.status_code, updated.json()["version"], updated.json()["name"]) == (200, 2, "Another")
    stranger = {**bearer(Stage(stage.service)), "Content-Type": "application/yaml"}
    copied = await public.post("/workflows/import", content=exported.content, headers=stranger)
    assert copied.status_code == 201
    assert copied.json()["id"] != str(workflow)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [id]", "a: &a [*a]", "[" * 5_000, "name: x\nname: y", "{", "5"]
)
async def test_import_reads_plain_yaml_alone(public: httpx2.AsyncClient, stage: Stage, text: str) -> None:
    headers = {**bearer(stage), "Content-Type": "application/yaml"}
    answer = await public.post("/workflows/import", content=text, headers=headers)
    assert answer.status_code in {400, 422}, answer.text
