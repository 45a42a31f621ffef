"""Idempotency-Key on everything that changes something: one effect, the first answer again, another body refused."""

from typing import Any

import httpx2
import pytest

from services.workflows.app import create_app
from services.workflows.settings import Settings
from tests.workflows.stage import Stage, http, transform
from tests.workflows.test_routes import bearer

pytestmark = pytest.mark.integration

BODY: dict[str, Any] = {"name": "Tell", "trigger": {"type": "manual"}, "steps": [transform("a")]}
YAML = "name: Kept\ntrigger: {type: manual}\nsteps: [{id: a, type: transform, with: {output: 1}}]\n"
CHANGES = {"post", "put", "patch", "delete"}


def test_every_route_that_changes_something_takes_a_key(workflows_settings: Settings) -> None:
    paths = create_app(workflows_settings).openapi()["paths"]
    changing = {
        f"{method} {path}": {item["name"] for item in operation.get("parameters", ()) if item["in"] == "header"}
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method in CHANGES
    }
    assert len(changing) >= 12
    assert {name for name, headers in changing.items() if "Idempotency-Key" not in headers} == set()


async def _change(public: httpx2.AsyncClient, stage: Stage, method: str, path: str, **body: Any) -> httpx2.Response:
    headers = {**bearer(stage), "Idempotency-Key": "one", **body.pop("headers", {})}
    return await public.request(method, path, headers=headers, **body)


async def _twice(public: httpx2.AsyncClient, stage: Stage, method: str, path: str, **body: Any) -> Any:
    first = await _change(public, stage, method, path, **body)
    assert first.is_success, first.text
    again = await _change(public, stage, method, path, **body)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("etag") == first.headers.get("etag")
    return first.json() if first.content else None


async def test_changes_of_a_workflow_happen_once(public: httpx2.AsyncClient, stage: Stage) -> None:
    made = await _twice(public, stage, "POST", "/workflows", json=BODY)
    path = f"/workflows/{made['id']}"
    assert (await _twice(public, stage, "PUT", path, json={**BODY, "name": "B"}))["version"] == 2
    assert (await _twice(public, stage, "POST", f"{path}/rollback", json={"version": 1}))["version"] == 3
    assert (await _twice(public, stage, "POST", f"{path}/deactivate"))["active"] is False
    assert (await _twice(public, stage, "POST", f"{path}/activate"))["active"] is True
    other = await _change(public, stage, "PUT", path, json=BODY)
    assert (other.status_code, other.json()["type"]) == (422, "urn:floyo:problem:idempotency-mismatch")
    assert (await _change(public, stage, "POST", f"{path}/rollback", json={"version": 2})).status_code == 422
    assert (await public.get(path, headers=bearer(stage))).json()["version"] == 3
    yaml = {"headers": {"Content-Type": "application/yaml"}}
    kept = await _twice(public, stage, "POST", "/workflows/import", content=YAML, **yaml)
    assert (kept["version"], kept["missing"]) == (1, [])
    assert await _twice(public, stage, "DELETE", path) is None
    assert (await public.delete(path, headers=bearer(stage))).status_code == 404
    assert len((await public.get("/workflows", headers=bearer(stage))).json()["items"]) == 1


async def test_changes_of_runs_happen_once(public: httpx2.AsyncClient, stage: Stage) -> None:
    workflow_id = await stage.workflow(http("a"))
    started = await _twice(public, stage, "POST", f"/workflows/{workflow_id}/runs", json={"input": 1})
    run = f"/runs/{started['id']}"
    cancelled = await _twice(public, stage, "POST", f"{run}/cancel")
    assert cancelled["status"] == "cancelled"
    assert (await _twice(public, stage, "POST", f"{run}/retry"))["status"] == "queued"
    assert (await public.post(f"{run}/cancel", headers=bearer(stage))).status_code == 200
    asked = {"workflow_id": str(workflow_id), "status": "cancelled"}
    assert await _twice(public, stage, "POST", "/runs/retry", json=asked) == {"retried": 1}
    assert (await _change(public, stage, "POST", "/runs/retry", json={**asked, "per_second": 1})).status_code == 422


async def test_a_decision_is_taken_once(public: httpx2.AsyncClient, stage: Stage) -> None:
    ask = {"id": "ask", "type": "approval", "with": {"approvers": ["owner"], "expires": "PT1H"}}
    run_id = await stage.start(await stage.workflow(ask))
    async with stage.engine(platform=True) as engine:
        await engine.advance()
        while not (found := await stage.execute("SELECT id FROM approval")):
            await engine.advance()
    path = f"/approvals/{found[0].id}"
    decided = await _twice(public, stage, "POST", path, json={"decision": "approve", "comment": "good"})
    assert decided["status"] == "approved"
    assert len(decided["decisions"]) == 1
    other = await _change(public, stage, "POST", path, json={"decision": "reject"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:floyo:problem:idempotency-mismatch")
    assert (await stage.read(run_id))["finished_at"] is None
