"""Chains: what an emitted event starts stands one deeper, and the chain ends at its cap for everybody to see."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from services.integrations.domain import causes as deliveries
from services.integrations.domain.causes import HEADER
from services.workflows.domain import causes, triggers
from services.workflows.domain.outside import Integrations
from shared import ids
from tests.workflows.stage import Stage, transform

EMIT = {"id": "tell", "type": "emit", "with": {"source": "floyo", "type": "echo", "data": {}}}
TRIGGER = {"type": "event", "match": {"type": "echo"}}
CALL = {"id": "call", "type": "http", "with": {"url": "https://example.com", "headers": {"floyo-cause": "none"}}}
ACT = {"id": "act", "type": "action", "with": {"integration": "i", "action": "request", "input": {"path": "/"}}}
RUN = "0190a0a0-0000-7000-8000-000000000001"


class Events:
    """The events service as a workflow that listens to itself meets it: what it is told comes back as a match."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def call(self, _service: str, _method: str, _path: str, *, json: dict[str, Any], **_more: Any) -> Any:
        (event,), cause = json["events"], json["cause"]
        extensions = {"floyorun": cause["run_id"], "floyodepth": cause["depth"]}
        self.told.append({**event, "id": str(ids.new()), "external_id": event["id"], "extensions": extensions})
        return {"rejected": []}


class World(Events):
    """A receiver that hands the cause of each call on with a delivery to a hook, as an honest one does."""

    async def call(self, _service: str, _method: str, _path: str, *, json: dict[str, Any], **_more: Any) -> Any:
        named = [json["cause"]] if "cause" in json else [v for k, v in json["headers"].items() if k.lower() == HEADER]
        (cause,) = map(deliveries.read, named)
        extensions = {"floyorun": cause["run_id"], "floyodepth": cause["depth"]} if cause else None
        self.told.append({"id": str(ids.new()), "type": "echo", "source": "hook", "data": {}, "extensions": extensions})
        return {"output": None, "status": 200, "headers": {}, "body": None}


@pytest.mark.parametrize(
    "extensions",
    [None, [], "x", {}, {"floyorun": RUN}, {"floyodepth": 3}, {"floyorun": RUN, "floyodepth": "3"},
     {"floyorun": RUN, "floyodepth": True}, {"floyorun": RUN, "floyodepth": -1}, {"floyorun": RUN, "floyodepth": 10**9},
     {"floyorun": "../x", "floyodepth": 3}],
)  # fmt: skip
def test_unsound_causes_are_none(extensions: Any) -> None:
    assert causes.read({"extensions": extensions}) is None


def test_a_cause_is_read() -> None:
    assert causes.read({"extensions": {"floyorun": RUN, "floyodepth": 3, "more": 1}}) == causes.Cause(RUN, 3)


@pytest.mark.integration
async def test_b48_a_workflow_that_listens_to_itself_comes_to_an_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = await _listen(stage, EMIT, Events(), monkeypatch)
    runs = await _chain(stage)
    assert "run" not in runs[0].cause
    assert runs[1].cause["run"] == str(runs[0].id)
    assert (await stage.read(runs[0].id))["workflow_id"] == workflow


@pytest.mark.integration
@pytest.mark.parametrize("step", [CALL, ACT], ids=["http", "action"])
async def test_b48_a_chain_through_calls_and_hooks_comes_to_an_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: dict[str, Any]
) -> None:
    await _listen(stage, step, World(), monkeypatch)
    await _chain(stage)


async def _listen(stage: Stage, step: dict[str, Any], outside: Any, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """Let a workflow run for thirty rounds of whatever its own runs have led to."""
    workflow = await stage.workflow(step, transform("a"), trigger=TRIGGER)
    ((trigger_id,),) = await stage.execute("SELECT id FROM trigger")
    monkeypatch.setattr(stage.service, "siblings", outside)
    pending = [{"id": str(ids.new()), "type": "echo", "source": "outside", "data": {}}]
    async with stage.engine(Integrations(outside), platform=True) as engine:
        for _ in range(30):
            async with stage.service.database.system() as session:
                await triggers.match(session, [(trigger_id, stage.organization_id, event) for event in pending])
            for (run_id,) in await stage.execute("SELECT id FROM run WHERE finished_at IS NULL"):
                await stage.finish(engine, run_id)
            pending, outside.told = outside.told, []
    return workflow


async def _chain(stage: Stage) -> Sequence[Any]:
    """The runs, which must have come to an end at the cap."""
    runs = await stage.execute("SELECT id, depth, status, error, cause FROM run ORDER BY depth")
    assert [row.depth for row in runs] == list(range(causes.DEEPEST + 2))
    assert [row.status for row in runs] == ["succeeded"] * (causes.DEEPEST + 1) + ["failed"]
    assert runs[-1].error["type"] == "limit-exceeded"
    return runs
