"""Attacks on workflows that need more than a definition: foreign credentials, code planted in the queue."""

import asyncio
import pickle
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.workflows.domain import calls
from services.workflows.domain.outside import Integrations
from shared import errors, ids, jobs, worker
from shared.worker import WorkerSettings
from tests.workflows.driving import drive, execution
from tests.workflows.stage import Stage, transform
from tests.workflows.test_routes import bearer

pytestmark = pytest.mark.integration


class Neighbours:
    """The internal port of integrations as other organisations see it: nothing but `own` is there."""

    def __init__(self, own: str = "") -> None:
        self.own = own
        self.asked: list[str] = []

    async def call(self, service: str, method: str, path: str, *, json: Any = None, **_options: Any) -> Any:
        self.asked.append(path)
        if path == "/internal/references":
            named = [item["integration"] for item in json["references"]]
            fault = {"field": "integration", "detail": "There is no such integration.", "path": [], "kind": ""}
            return {"faults": [{"index": index, **fault} for index, name in enumerate(named) if name != self.own]}
        raise errors.Remote(404, "not-found", "There is nothing here.", title="Not found")

    async def close(self) -> None:
        return None


def _body(integration: str) -> dict[str, Any]:
    action = {"id": "a", "type": "action", "with": {"integration": integration, "action": "post_message"}}
    loop = {"id": "l", "type": "foreach", "with": {"items": [1], "steps": [action]}}
    return {"name": "Tell", "trigger": {"type": "manual"}, "steps": [transform("t"), loop]}


async def test_b54_a_foreign_credential_is_refused_when_saved(public: httpx2.AsyncClient, stage: Stage) -> None:
    own, foreign = str(ids.new()), str(ids.new())
    neighbours = Neighbours(own)
    stage.service.siblings = neighbours  # type: ignore[assignment]
    refused = await public.post("/workflows", json=_body(foreign), headers=bearer(stage))
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:floyo:problem:unknown-integration")
    assert refused.json()["errors"][0]["pointer"] == "/steps/1/with/steps/0/with/integration"
    assert set(neighbours.asked) == {"/internal/references"}, "nothing leaves while saving"
    accepted = await public.post("/workflows", json=_body(own), headers=bearer(stage))
    assert accepted.status_code == 201
    changed = await public.put(f"/workflows/{accepted.json()['id']}", json=_body(foreign), headers=bearer(stage))
    assert changed.status_code == 422


async def test_b54_a_foreign_credential_is_refused_when_run() -> None:
    given = {"integration": "{{ input }}", "action": "post_message"}
    running = execution({"id": "a", "type": "action", "with": given}, given=str(ids.new()))
    tools = calls.Tools(Integrations(Neighbours()), None)  # type: ignore[arg-type]
    (ready,) = running.ready(running.run.created_at)
    outcome = await calls.perform(running, ready, tools, running.run.created_at)
    running.settle(ready, outcome, running.run.created_at)
    assert running.rows["a"].status == "failed"
    assert running.rows["a"].attempts == 1
    await drive(running)


class Planted:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


async def test_b53_a_pickle_in_the_queue_runs_no_code(stage: Stage, tmp_path: Path) -> None:
    service, taken = stage.service, []

    async def advance_due(_service: Any) -> None:
        taken.append(1)

    await service.redis.set("arq:job:planted", pickle.dumps({"f": "advance_due", "x": Planted(tmp_path / "ran")}))
    await service.redis.zadd(jobs.queue_name("workflows"), {"planted": int(time.time() * 1000)})
    plan = WorkerSettings(service="workflows", jobs=(advance_due,), loops=())
    taker = worker._arq_worker(plan, service)
    running = asyncio.create_task(taker.async_run())
    try:
        await asyncio.sleep(0.5)
        assert await jobs.wake(service.redis, "workflows", "advance_due")
        async with asyncio.timeout(10):
            while not taken:  # noqa: ASYNC110 - asks a list
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await taker.pool.aclose(close_connection_pool=True)
    assert not (tmp_path / "ran").exists()
