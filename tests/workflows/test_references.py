"""What a workflow names outside is looked up before it is saved or switched on, and told by pointer."""

from typing import Any

import httpx2
import pytest

from shared import ids
from tests.workflows.stage import Stage, transform
from tests.workflows.test_routes import bearer

pytestmark = pytest.mark.integration


class Integrations:
    """The internal port of integrations: what is there by name, and what it finds wrong with each input."""

    def __init__(self, *there: str, faults: list[dict[str, Any]] | None = None) -> None:
        self.there = set(there)
        self.faults = faults or []

    async def call(self, _service: str, _method: str, _path: str, *, json: Any = None, **_options: Any) -> Any:
        found = [
            {"index": index, "field": "integration", "detail": "There is no such integration.", "path": [], "kind": ""}
            for index, item in enumerate(json["references"])
            if item["integration"] not in self.there
        ]
        return {"faults": found or self.faults}

    async def close(self) -> None:
        """Nothing is open."""


def tell(integration: str = "team-slack", **given: Any) -> dict[str, Any]:
    return {"id": "a", "type": "action", "with": {"integration": integration, "action": "post_message", "input": given}}


def body(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"name": "Tell", "trigger": {"type": "manual"}, "steps": list(steps)}


async def test_a_name_that_is_not_there_is_refused_at_its_field(public: httpx2.AsyncClient, stage: Stage) -> None:
    stage.service.siblings = Integrations("team-slack")  # type: ignore[assignment]
    branches = {"id": "p", "type": "parallel", "with": {"branches": [[tell()], [tell("teem-slack")]]}}
    refused = await public.post("/workflows", json=body(transform("t"), branches), headers=bearer(stage))
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:floyo:problem:unknown-integration")
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/steps/1/with/branches/1/0/with/integration"]
    accepted = await public.post(
        "/workflows", json=body(tell(), tell("{{ input.to }}") | {"id": "b"}), headers=bearer(stage)
    )
    assert accepted.status_code == 201, "what a template will name is known when the step runs"


FAULTS = [
    {"index": 0, "field": "action", "detail": "Slack has no such action.", "path": [], "kind": ""},
    {"index": 0, "field": "input", "detail": "Field required", "path": ["channel"], "kind": "missing"},
    {"index": 0, "field": "input", "detail": "Not allowed", "path": ["colour"], "kind": "extra_forbidden"},
    {"index": 0, "field": "input", "detail": "Should be a number", "path": ["size"], "kind": "int_parsing"},
    {"index": 0, "field": "input", "detail": "Should be a number", "path": ["places", 1], "kind": "int_parsing"},
    {"index": 0, "field": "input", "detail": "One of two", "path": [], "kind": "value_error"},
]


async def test_actions_and_constant_inputs_are_judged_too(public: httpx2.AsyncClient, stage: Stage) -> None:
    stage.service.siblings = Integrations("team-slack", faults=FAULTS)  # type: ignore[assignment]
    step = tell(size="{{ input.size }}", places=[1, "two"], colour="{{ input.colour }}")
    refused = await public.post("/workflows", json=body(step), headers=bearer(stage))
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:floyo:problem:invalid-workflow")
    assert [fault["pointer"] for fault in refused.json()["errors"]] == [
        "/steps/0/with/action",
        "/steps/0/with/input/channel",
        "/steps/0/with/input/colour",
        "/steps/0/with/input/places/1",
    ]


async def test_going_back_to_a_version_that_names_what_is_gone_is_refused(
    public: httpx2.AsyncClient, stage: Stage
) -> None:
    stage.service.siblings = Integrations("team-slack")  # type: ignore[assignment]
    made = await public.post("/workflows", json=body(tell()), headers=bearer(stage))
    path = f"/workflows/{made.json()['id']}"
    stage.service.siblings = Integrations()  # type: ignore[assignment]
    plain = body({"id": "a", "type": "transform", "with": {"output": 1}})
    assert (await public.put(path, json=plain, headers=bearer(stage))).status_code == 200
    refused = await public.post(f"{path}/rollback", json={"version": 1}, headers=bearer(stage))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/steps/0/with/integration")
    assert (await public.get(path, headers=bearer(stage))).json()["version"] == 2
    absent = await public.post(f"{path}/rollback", json={"version": 9}, headers=bearer(stage))
    assert (absent.status_code, absent.json()["errors"][0]["pointer"]) == (422, "/version")


async def test_an_import_that_misses_integrations_is_kept_switched_off(
    public: httpx2.AsyncClient, stage: Stage
) -> None:
    stage.service.siblings = Integrations("team-slack")  # type: ignore[assignment]
    text = f"""
id: {ids.new()}
name: Tell
trigger: {{type: event, match: {{source: github}}}}
steps:
  - id: a
    type: action
    with: {{integration: team-slack, action: post_message, input: {{text: hi}}}}
"""
    headers = {**bearer(stage), "Content-Type": "application/yaml"}
    sound = await public.post("/workflows/import", content=text, headers=headers)
    assert (sound.status_code, sound.json()["active"], sound.json()["missing"]) == (201, True, [])
    path = f"/workflows/{sound.json()['id']}"
    moved = text.replace("team-slack", "other-slack")
    kept = await public.post("/workflows/import", content=moved, headers=headers)
    assert (kept.status_code, kept.json()["active"], kept.json()["version"]) == (200, False, 2)
    assert kept.json()["missing"] == [
        {"pointer": "/steps/0/with/integration", "detail": "There is no such integration."}
    ]
    assert await stage.execute("SELECT active FROM trigger") == [(False,)], "nothing fires it"
    refused = await public.post(f"{path}/activate", headers=bearer(stage))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/steps/0/with/integration")
    stage.service.siblings = Integrations("other-slack")  # type: ignore[assignment]
    assert (await public.post(f"{path}/activate", headers=bearer(stage))).json()["active"] is True


async def test_a_new_import_that_misses_integrations_is_inactive(public: httpx2.AsyncClient, stage: Stage) -> None:
    stage.service.siblings = Integrations()  # type: ignore[assignment]
    headers = {**bearer(stage), "Content-Type": "application/yaml"}
    text = "name: T\ntrigger: {type: manual}\nsteps: [{id: a, type: action, with: {integration: x, action: y}}]\n"
    made = await public.post("/workflows/import", content=text, headers=headers)
    assert (made.status_code, made.json()["active"], len(made.json()["missing"])) == (201, False, 1)
    refused = await public.post(f"/workflows/{made.json()['id']}/runs", headers=bearer(stage))
    assert refused.status_code == 409
