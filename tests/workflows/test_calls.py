"""Calls that begin together travel together; each has its own answer, and a broken journey is told to all it leaves."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from services.workflows.clients import integrations
from services.workflows.clients.integrations import Calls
from shared import errors, ids

ORGANIZATION = ids.new()


class Integrations:
    """Answers each call with its own body, the last first; `breaks_after` lines the connection ends."""

    def __init__(self, breaks_after: int | None = None) -> None:
        self.alone: list[Any] = []
        self.journeys: list[list[Any]] = []
        self.breaks_after = breaks_after

    async def call(self, _service: str, _method: str, path: str, *, json: Any, **_more: Any) -> Any:
        self.alone.append((path, json))
        return json["n"]

    async def lines(
        self,
        _service: str,
        path: str,
        *,
        json: Any,
        hear: Callable[[Any], None],
        timeout: float,  # noqa: ASYNC109
    ) -> None:
        assert path == "/internal/calls"
        assert timeout == 5 + integrations.MARGIN_SECONDS
        bodies = [orjson.loads(orjson.dumps(call["body"])) for call in json["calls"]]
        self.journeys.append(bodies)
        for number, index in enumerate(reversed(range(len(bodies)))):
            if number == self.breaks_after:
                raise errors.Unavailable("sibling-unavailable", "integrations does not answer.")
            await asyncio.sleep(0)
            n = bodies[index]["n"]
            refusal = errors.Invalid("odd", "It is odd.").body("0" * 32)
            hear({"index": index, "status": 422 if n % 2 else 200, "body": refusal if n % 2 else n})


async def perform(calls: Calls, n: int, **more: Any) -> Any:
    body = {"n": n, **more}
    return await calls.perform("http", body, organization_id=ORGANIZATION, subject="run:x", seconds=5)


async def test_one_call_goes_by_itself() -> None:
    outside: Any = Integrations()
    assert await perform(Calls(outside), 2) == 2
    ((path, body),) = outside.alone
    assert path == "/internal/http"
    assert (body["organization_id"], body["timeout_seconds"]) == (str(ORGANIZATION), 5)
    assert outside.journeys == []


async def test_calls_of_one_turn_travel_together_and_have_their_own_answers() -> None:
    outside: Any = Integrations()
    calls = Calls(outside)
    answers = await asyncio.gather(*(perform(calls, n) for n in range(6)), return_exceptions=True)
    assert [answers[n] for n in (0, 2, 4)] == [0, 2, 4]
    for refused in (answers[n] for n in (1, 3, 5)):
        assert isinstance(refused, errors.FloyoError)
        assert (refused.status, refused.slug) == (422, "odd")
    assert [len(journey) for journey in outside.journeys] == [6]
    assert outside.alone == []


async def test_what_a_broken_journey_has_answered_counts() -> None:
    outside: Any = Integrations(breaks_after=1)
    calls = Calls(outside)
    answers = await asyncio.gather(*(perform(calls, n) for n in (0, 2, 4)), return_exceptions=True)
    assert answers[2] == 4
    assert [type(answer) for answer in answers[:2]] == [errors.Unavailable] * 2


async def test_whoever_gives_up_waiting_holds_up_nobody() -> None:
    outside: Any = Integrations()
    calls = Calls(outside)
    impatient, patient = (asyncio.create_task(perform(calls, n)) for n in (0, 2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_journeys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrations, "MOST_TOGETHER", 4)
    monkeypatch.setattr(integrations, "LARGEST_TOGETHER", 2_000)
    outside: Any = Integrations()
    calls = Calls(outside)
    small = [perform(calls, 2 * n) for n in range(5)]
    large = [perform(calls, 2 * n, text="x" * 1_500) for n in range(2)]
    assert await asyncio.gather(*small, *large) == [0, 2, 4, 6, 8, 0, 2]
    assert [len(journey) for journey in outside.journeys] == [4, 2]
    assert len(outside.alone) == 1
