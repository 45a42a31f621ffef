"""Calls that travel in one request are answered as each would be by itself, whoever of them is slow."""

from typing import Any

import orjson
import pytest

from shared import ids
from tests.integrations.conftest import Ask, Enter, Person
from tests.integrations.test_internal_calls import request
from tests.shared.outbound import Canary, http

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def call(body: dict[str, Any], path: str = "http") -> dict[str, Any]:
    return {"path": path, "trace": TRACE, "body": body}


async def together(ask: Ask, *calls: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await ask("/internal/calls", {"calls": list(calls)})
    assert answer.status_code == 200, answer.text
    lines = [orjson.loads(line) for line in answer.content.splitlines()]
    assert sorted(line["index"] for line in lines) == list(range(len(calls)))
    return sorted(lines, key=lambda line: int(line["index"]))


async def test_each_is_answered_as_by_itself(ask: Ask, admin: Person, canary: Canary) -> None:
    await admin.create("http", {"base_url": canary.url}, {}, name="ci")
    action = {"organization_id": str(admin.organization_id), "integration": "ci", "action": "request"}
    given = [
        call(request(canary, url=canary.url + "/ok")),
        call(request(canary, url="http://127.0.0.1:1/")),
        call(request(canary, method="BREW")),
        call({"url": canary.url}),
        call({**action, "input": {"path": "/x"}}, "actions"),
        call({**action, "input": {"way": "/x"}}, "actions"),
        call({**action, "integration": "cd"}, "actions"),
    ]
    canary.answers = [http(b"1", Content_Type="application/json")] * 4
    lines = await together(ask, *given)
    statuses = []
    for line, item in zip(lines, given, strict=True):
        alone = await ask(f"/internal/{item['path']}", item["body"])
        assert (line["status"], {**line["body"], "trace_id": 0}) == (alone.status_code, {**alone.json(), "trace_id": 0})
        statuses.append(line["status"])
        assert line["status"] < 400 or line["body"]["trace_id"] == "a" * 32
    assert statuses == [200, 422, 422, 422, 200, 422, 422]


async def test_b96_only_workflows_may_ask_together(ask: Ask, canary: Canary) -> None:
    body = {"calls": [call(request(canary))]}
    for caller in ("events", "auth"):
        assert (await ask("/internal/calls", body, caller=caller)).status_code == 403
    assert canary.connections == 0


@pytest.mark.parametrize(
    "wrong",
    [{}, {"calls": []}, {"calls": [{"path": "people", "trace": TRACE, "body": {}}]}, {"calls": [{}]},
     {"calls": [{"path": "http", "trace": TRACE, "body": {}, "organization_id": str(ids.new())}]}],
)  # fmt: skip
async def test_what_is_no_list_of_calls_is_refused(ask: Ask, wrong: dict[str, Any]) -> None:
    assert (await ask("/internal/calls", wrong)).status_code == 422


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "test"])
async def test_b54_anothers_credential_opens_nothing(
    ask: Ask, admin: Person, enter: Enter, canary: Canary, dry_run: bool
) -> None:
    made = await admin.create("http", {"base_url": canary.url}, {}, name="ci")
    stranger = await enter("owner")
    action = {"organization_id": str(stranger.organization_id), "action": "request", "input": {}, "dry_run": dry_run}
    for reference in (made["id"], "ci"):
        body = {**action, "integration": reference}
        alone = await ask("/internal/actions", body)
        (beside,) = await together(ask, call(body, "actions"))
        assert (alone.status_code, beside["status"]) == (422, 422)
        assert alone.json()["type"] == beside["body"]["type"] == "urn:floyo:problem:integration-unknown"
    assert canary.connections == 0
