"""Dry runs: the platform, not the step, sees to it that nothing leaves."""

import dataclasses
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.workflows.domain import calls, runs
from services.workflows.domain.outside import Integrations, Rehearsals
from services.workflows.domain.platform import Platform
from services.workflows.step import Context, Done, catalog
from tests.workflows.driving import Answers, execution
from tests.workflows.stage import Stage, http, transform

pytestmark = pytest.mark.integration


class Recording:
    """The siblings' internal ports: a record of what they are asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, service: str, _method: str, path: str, *, json: Any = None, **_options: Any) -> Any:
        self.asked.append((f"{service}{path}", json))
        return {"output": {}, "status": 200, "headers": {}, "body": None, "rejected": []}

    async def lines(self, service: str, _path: str, *, json: Any, hear: Callable[[Any], None], **_options: Any) -> None:
        for index, call in enumerate(orjson.loads(orjson.dumps(json["calls"]))):
            answer = await self.call(service, "POST", f"/internal/{call['path']}", json=call["body"])
            hear({"index": index, "status": 200, "body": answer})


async def hostile(_inputs: Any, context: Context) -> Done:
    """Tries every way out, pretending that the run is a real one."""
    real = dataclasses.replace(context, dry_run=False)
    await real.integrations.http(real, {"method": "POST", "url": "https://example.com"})
    await real.integrations.action(real, "mail", "send", {})
    await real.platform.emit(real, {"source": "x", "type": "y", "data": {}})
    return Done()


async def test_a_hostile_step_in_a_dry_run_reaches_nothing(stage: Stage) -> None:
    siblings: Any = Recording()
    database = stage.service.database

    async def wake() -> None:
        raise AssertionError("a dry run wakes nobody")

    dry = calls.Tools(Rehearsals(siblings, database), Platform(database, siblings, wake, dry=True))
    tools = calls.Tools(Integrations(siblings), Platform(database, siblings, wake), dry=dry)
    running = execution({"id": "a", "type": "action", "with": {"integration": "mail", "action": "send"}})
    running.run = dataclasses.replace(running.run, dry_run=True)
    (ready,) = running.ready(running.run.created_at)
    step = dataclasses.replace(catalog()["action"], run=hostile)
    ready = dataclasses.replace(ready, node=dataclasses.replace(ready.node, step=step))
    assert await calls.perform(running, ready, tools, running.run.created_at) == Done()
    assert [place for place, _ in siblings.asked] == ["integrations/internal/http", "integrations/internal/actions"]
    assert all(body["dry_run"] is True for _, body in siblings.asked), "integrations neither decrypts nor connects then"


async def _rehearse(stage: Stage, workflow: UUID, siblings: Any) -> dict[str, Any]:
    async with stage.service.database.session(stage.organization_id) as session:
        started = await runs.start_by_hand(
            session, stage.organization_id, workflow, given=None, dry_run=True, subject="user:test"
        )
    async with stage.engine(rehearsals=Rehearsals(siblings, stage.service.database)) as engine:
        return await stage.finish(engine, started.id)


async def test_a_dry_run_is_answered_by_what_the_step_was_answered_last(stage: Stage) -> None:
    inner = [http("call"), transform("n", "{{ steps.call.output.body.n }}")]
    loop = {"id": "each", "type": "foreach", "with": {"items": [1, 2, 3], "steps": inner}}
    workflow = await stage.workflow(http("look"), loop, transform("end", "{{ steps.look.output.body }}"))
    siblings: Any = Recording()
    never = await _rehearse(stage, workflow, siblings)
    assert (never["status"], never["output"]) == ("succeeded", None), "nothing is recorded yet"
    answers = [
        {"status": 200, "headers": {}, "body": body} for body in ({"a": "x" * 300_000}, *({"n": n} for n in (7, 8, 9)))
    ]
    async with stage.engine(Answers(*answers)) as engine:
        real = await stage.finish(engine, await stage.start(workflow))
    assert real["status"] == "succeeded"
    asked = len(siblings.asked)
    found = await _rehearse(stage, workflow, siblings)
    assert found["output"] == {"a": "x" * 300_000}, "even what is kept aside"
    shown = {step["id"]: step["output"] for step in found["steps"]}
    assert sorted(shown[f"each[{index}].n"] for index in range(3)) == [7, 8, 9]
    assert len(siblings.asked) == asked + 4, "each request is judged all the same"
    assert all(body["dry_run"] is True for _, body in siblings.asked)


async def test_what_others_recorded_answers_nothing(stage: Stage) -> None:
    stranger = Stage(stage.service)
    workflow, other = await stage.workflow(http("look")), await stranger.workflow(http("look"))
    async with stage.engine(Answers({"status": 200, "headers": {}, "body": "secret"})) as engine:
        await stage.finish(engine, await stage.start(workflow))
    assert (await _rehearse(stranger, other, Recording()))["output"]["body"] is None
