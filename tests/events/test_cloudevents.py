"""CloudEvents: the published cases, sent as they stand and read back."""

import json
from typing import Any

import pytest

from tests.events.processes import Tenant
from tests.fixtures.samples import absent, sample_root

CASES = sample_root() / "webhooks" / "cloudevents_cases.json"


def _cases() -> list[Any]:
    if not CASES.exists():
        return [absent(None)]
    return [pytest.param(case, id=case["id"]) for case in json.loads(CASES.read_text())["http"]]


@pytest.mark.parametrize("case", _cases())
async def test_published_case(tenant: Tenant, case: dict[str, Any]) -> None:
    headers = {name: value for name, value in case["headers"].items() if name != "Host"}
    batch = "batch" in headers.get("Content-Type", headers.get("content-type", ""))
    path = "/api/v1/events/batch" if batch else "/api/v1/events"
    answer = await tenant.client.post(path, content=case["body"].encode(), headers=headers)
    expected = case["expect"]
    if "error" in expected:
        assert answer.status_code in {400, 422}, answer.text
        return
    assert answer.status_code in {200, 201}, answer.text
    if "events" in expected:
        assert answer.json()["accepted"] == expected["events"]
        return
    stored = (await tenant.client.get(f"/api/v1/events/{answer.json()['id']}")).json()
    attributes = expected["attributes"]
    assert stored["external_id"] == attributes["id"]
    for name in ("source", "type", "subject"):
        assert stored[name] == attributes.get(name)
    own = {"id", "source", "type", "subject", "time", "specversion"}
    extensions = dict(stored["extensions"] or {})
    encoding = extensions.pop("datacontentencoding", None)
    assert extensions == {name: value for name, value in attributes.items() if name not in own}
    if "data_base64" in expected:
        assert (stored["data"], encoding) == (expected["data_base64"], "base64")
    elif "data" in expected:
        assert stored["data"] == expected["data"]
