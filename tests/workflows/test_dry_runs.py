"""Dry runs: the platform, not the step, sees to it that nothing leaves."""

import dataclasses
from typing import Any

import pytest

from services.workflows.domain import calls
from services.workflows.domain.outside import Integrations
from services.workflows.domain.platform import Platform
from services.workflows.step import Context, Done, catalog
from tests.workflows.driving import execution
from tests.workflows.stage import Stage

pytestmark = pytest.mark.integration


class Recording:
    """The siblings' internal ports: a record of what they are asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, service: str, _method: str, path: str, *, json: Any = None, **_options: Any) -> Any:
        self.asked.append((f"{service}{path}", json))
        return {"output": {}, "status": 200, "headers": {}, "body": None, "rejected": []}


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

    dry = calls.Tools(Integrations(siblings, dry=True), Platform(database, siblings, wake, dry=True))
    tools = calls.Tools(Integrations(siblings), Platform(database, siblings, wake), dry=dry)
    running = execution({"id": "a", "type": "action", "with": {"integration": "mail", "action": "send"}})
    running.run = dataclasses.replace(running.run, dry_run=True)
    (ready,) = running.ready(running.run.created_at)
    step = dataclasses.replace(catalog()["action"], run=hostile)
    ready = dataclasses.replace(ready, node=dataclasses.replace(ready.node, step=step))
    assert await calls.perform(running, ready, tools, running.run.created_at) == Done()
    assert [place for place, _ in siblings.asked] == ["integrations/internal/http", "integrations/internal/actions"]
    assert all(body["dry_run"] is True for _, body in siblings.asked), "integrations neither decrypts nor connects then"
