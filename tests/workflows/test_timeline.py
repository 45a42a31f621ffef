"""What people see of a run: one trace from the request to the call, and no secret in between."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.workflows.domain import reading
from services.workflows.step import Context
from shared import tracing
from tests.workflows.driving import Answers
from tests.workflows.stage import Stage, transform
from tests.workflows.test_routes import bearer

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Traced(Answers):
    """Integrations that note the trace which a call to them would carry on."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.traces: list[str] = []

    async def http(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        self.traces.append(tracing.traceparent().split("-")[1])
        return await super().http(context, request)


@pytest.mark.integration
@pytest.mark.parametrize("key", [None, "k"])
async def test_one_trace_leads_from_the_request_to_the_call(
    public: httpx2.AsyncClient, stage: Stage, key: str | None
) -> None:
    """By the quick way in and by the other; through the queue, a wait, and whatever worker takes the run up."""
    workflow = await stage.workflow(
        transform("a"), {"id": "w", "type": "delay", "with": {"for": "PT0.01S"}},
        {"id": "call", "type": "http", "with": {"url": "https://example.com"}},
    )  # fmt: skip
    headers = {**bearer(stage), "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    headers |= {"Idempotency-Key": key} if key else {}
    answer = await public.post(f"/workflows/{workflow}/runs", headers=headers)
    assert answer.headers["x-trace-id"] == TRACE
    outside = Traced()
    async with stage.engine(outside) as engine:
        found = await stage.finish(engine, UUID(answer.json()["id"]))
    assert (found["trace_id"], outside.traces) == (TRACE, [TRACE])


@pytest.mark.integration
async def test_the_timeline_shows_no_secret_and_the_run_uses_it(public: httpx2.AsyncClient, stage: Stage) -> None:
    onward = {"url": "https://example.com/{{ steps.call.output.body.access_token }}"}
    request = {"url": "https://example.com", "headers": {"Authorization": "Bearer s3cret", "Accept": "text/plain"}}
    workflow = await stage.workflow(
        {"id": "call", "type": "http", "with": request},
        {
            "id": "next",
            "type": "http",
            "with": onward,
        },
    )
    body = {"access_token": "t0ken", "nested": [{"api_key": "k3y", "n": 1}]}
    outside = Answers({"status": 200, "headers": {"Set-Cookie": "c00kie"}, "body": body})
    run = await stage.start(workflow)
    async with stage.engine(outside) as engine:
        await stage.finish(engine, run)
    shown = (await public.get(f"/runs/{run}", headers=bearer(stage))).json()["steps"][0]
    assert shown["input"]["headers"] == {"Authorization": reading.MASK, "Accept": "text/plain"}
    assert shown["output"]["body"] == {"access_token": reading.MASK, "nested": [{"api_key": reading.MASK, "n": 1}]}
    assert "c00kie" not in str(shown)
    assert outside.asked[0][2]["headers"]["Authorization"] == "Bearer s3cret"
    assert outside.asked[1][2]["url"] == "https://example.com/t0ken"


@pytest.mark.parametrize("name", ["password", "X-Api-Key", "clientSecret", "access_token", "Cookie", "AUTHORIZATION"])
def test_names_of_secrets(name: str) -> None:
    assert reading.mask([{name: "x"}]) == [{name: reading.MASK}]


@pytest.mark.parametrize("value", [None, 5, "text", {"n": 1}, {"token": ""}, {"tokens": [1, 2]}, {"author": "me"}])
def test_everything_else_is_shown(value: Any) -> None:
    assert reading.mask(value) == value
