"""What people do to workflows is told to the audit log with the change itself."""

import httpx2

from services.workflows.messages import AuditRecorded
from shared import ids
from tests.workflows.stage import Stage, transform
from tests.workflows.test_routes import BODY, bearer


async def test_acts_on_workflows_are_told(public: httpx2.AsyncClient, stage: Stage) -> None:
    headers = bearer(stage)
    made = (await public.post("/workflows", json={**BODY, "steps": [transform("a")]}, headers=headers)).json()
    path = f"/workflows/{made['id']}"
    assert (await public.put(path, json={**BODY, "steps": [transform("b")]}, headers=headers)).status_code == 200
    for act in ("deactivate", "deactivate", "activate"):
        assert (await public.post(f"{path}/{act}", headers=headers)).status_code == 200
    assert (await public.post(f"{path}/rollback", json={"version": 1}, headers=headers)).status_code == 200
    assert (await public.put(f"/workflows/{ids.new()}", json=BODY, headers=headers)).status_code == 404
    assert (await public.delete(path, headers=headers)).status_code == 204
    rows = await stage.execute("SELECT body FROM outbox WHERE type = 'audit.recorded' ORDER BY position")
    told = [AuditRecorded.model_validate(row.body) for row in rows]
    assert [(item.action, item.details) for item in told] == [
        ("workflow.created", {}), ("workflow.changed", {"version": 2}), ("workflow.deactivated", {}),
        ("workflow.activated", {}), ("workflow.changed", {"version": 3}), ("workflow.deleted", {}),
    ]  # fmt: skip
    assert {item.target for item in told} == {made["id"]}
    assert {item.address for item in told} == {"127.0.0.1"}
    assert all(item.actor.startswith("user:") for item in told)
