"""Chains: what an emitted event starts stands one deeper, and the chain ends at its cap for everybody to see."""

from typing import Any

import pytest

from services.workflows.domain import causes, triggers
from shared import ids
from tests.workflows.stage import Stage, transform

EMIT = {"id": "tell", "type": "emit", "with": {"source": "floyo", "type": "echo", "data": {}}}
TRIGGER = {"type": "event", "match": {"type": "echo"}}
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
    workflow = await stage.workflow(EMIT, transform("a"), trigger=TRIGGER)
    ((trigger_id,),) = await stage.execute("SELECT id FROM trigger")
    events: Any = Events()
    monkeypatch.setattr(stage.service, "siblings", events)
    pending = [{"id": str(ids.new()), "type": "echo", "source": "outside", "data": {}}]
    async with stage.engine(platform=True) as engine:
        for _ in range(30):
            async with stage.service.database.system() as session:
                await triggers.match(session, [(trigger_id, stage.organization_id, event) for event in pending])
            for (run_id,) in await stage.execute("SELECT id FROM run WHERE finished_at IS NULL"):
                await stage.finish(engine, run_id)
            pending, events.told = events.told, []
    runs = await stage.execute("SELECT depth, status, error, cause FROM run ORDER BY depth")
    assert [row.depth for row in runs] == list(range(18))
    assert [row.status for row in runs] == ["succeeded"] * 17 + ["failed"]
    assert runs[-1].error["type"] == "limit-exceeded"
    assert "run" not in runs[0].cause
    first, second = await stage.execute("SELECT id, cause FROM run WHERE depth < 2 ORDER BY depth")
    assert second.cause["run"] == str(first.id)
    assert (await stage.read(first.id))["workflow_id"] == workflow
