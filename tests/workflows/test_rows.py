"""Rows 45 to 50 and 54 of the attacks as people meet them: over HTTP, with what is stored and what is called beside."""

import time
from typing import Any

import httpx2
import pytest

from services.workflows.domain import sweeping
from services.workflows.domain.definition import MOST_STEPS
from shared import errors
from tests.workflows.driving import Answers
from tests.workflows.stage import Stage, http, transform
from tests.workflows.test_routes import bearer

pytestmark = pytest.mark.integration

CHOOSE = {"id": "c", "type": "condition", "with": {"when": "true", "then": ["nowhere"]}}
AROUND = {"id": "l", "type": "foreach", "with": {"items": [1], "steps": [transform("a", "{{ open }}")]}}


def body(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "A workflow", "trigger": {"type": "manual"}, "steps": list(steps), **more}


async def _refused(public: httpx2.AsyncClient, stage: Stage, wrong: dict[str, Any]) -> str:
    """The pointer of a refusal that has left nothing behind, whichever door it came to."""
    answer = await public.post("/workflows", json=wrong, headers=bearer(stage))
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await stage.execute("SELECT count(*) FROM workflow") == [(0,)]
    return str(answer.json()["errors"][0]["pointer"])


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (body(transform("a") | {"needs": ["b"]}, transform("b") | {"needs": ["a"]}), "/steps/0"),
        (body(transform("a") | {"needs": ["a"]}), "/steps/0"),
        (body(transform("a") | {"needs": ["nowhere"]}), "/steps/0/needs"),
        (body(CHOOSE), "/steps/0/with"),
        (body(http("a") | {"on_error": {"goto": "nowhere"}}), "/steps/0/on_error"),
        (body(*(transform(f"s{index}") for index in range(MOST_STEPS + 1))), "/steps"),
    ],
    ids=["circle", "itself", "need", "choice", "goto", "1001 steps"],
)
async def test_b45_what_cannot_run_is_not_saved(
    public: httpx2.AsyncClient, stage: Stage, wrong: dict[str, Any], pointer: str
) -> None:
    assert (await _refused(public, stage, wrong)).startswith(pointer)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (body(transform("a", "{{''.__class__.__mro__}}")), "/steps/0/with/output"),
        (body(http("a") | {"with": {"url": "{{ trigger.__class__ }}"}}), "/steps/0/with/url"),
        (body(AROUND), "/steps/0/with/steps/0/with/output"),
        (body(transform("a") | {"if": "open('x') == 1"}), "/steps/0/if"),
        (body(transform("a"), concurrency={"key": "().__class__"}), "/concurrency/key"),
    ],
    ids=["mapping", "url", "inside", "condition", "key"],
)
async def test_b46_what_would_evaluate_is_not_saved(
    public: httpx2.AsyncClient, stage: Stage, wrong: dict[str, Any], pointer: str
) -> None:
    assert await _refused(public, stage, wrong) == pointer


async def test_b46_other_languages_stay_what_was_written(public: httpx2.AsyncClient, stage: Stage) -> None:
    texts = ["${7*7}", "#{7*7}", "<%= 7*7 %>", "{% 7*7 %}"]
    made = await public.post("/workflows", json=body(transform("a", texts)), headers=bearer(stage))
    async with stage.engine() as engine:
        found = await stage.finish(engine, await stage.start(made.json()["id"]))
    assert found["output"] == texts


async def test_b47_a_pattern_that_backtracks_elsewhere_holds_nobody_up(
    public: httpx2.AsyncClient, stage: Stage
) -> None:
    step = transform("a") | {"if": "input.matches('(a+)+$')"}
    made = await public.post("/workflows", json=body(step), headers=bearer(stage))
    assert made.status_code == 201
    run = await stage.start(made.json()["id"], "a" * 50_000 + "b")
    async with stage.engine() as engine:
        began = time.process_time()
        found = await stage.finish(engine, run)
        assert time.process_time() - began < 1.0
    assert found["steps"][0]["status"] == "skipped"


async def test_b48_a_loop_of_a_thousand_million_ends_at_once(stage: Stage) -> None:
    """Items can only be had by listing them; loops in loops multiply until the cap of a run."""
    inner: dict[str, Any] = transform("x")
    for depth in range(3):
        inner = {"id": f"l{depth}", "type": "foreach",
                 "with": {"items": "{{ input }}", "as": f"v{depth}", "steps": [inner]}}  # fmt: skip
    run = await stage.start(await stage.workflow(inner), list(range(1_000)))
    async with stage.engine() as engine:
        found = await stage.finish(engine, run, seconds=60)
    assert (found["status"], found["error"]["type"]) == ("failed", "limit-exceeded")


async def test_b49_fifty_megabytes_fail_the_step_once(stage: Stage) -> None:
    """Integrations stops reading at its cap and says so; nothing tries again what would be as large again."""
    refusal = errors.Remote(424, "output-too-large", "It is large.", title="", extensions={"retryable": False})
    answers = Answers(refusal)
    run = await stage.start(await stage.workflow(http("a")))
    async with stage.engine(answers) as engine:
        found = await stage.finish(engine, run)
    assert (found["status"], found["error"]["type"], found["error"]["step"]) == ("failed", "output-too-large", "a")
    assert len(answers.asked) == 1


@pytest.mark.parametrize("name", ["../x", "..\\x", "%2e%2e%2fx", "a\x00b", "a\r\nb"])
@pytest.mark.parametrize("place", ["workflow", "step", "need", "named step", "goto"])
async def test_b50_no_name_is_a_path(public: httpx2.AsyncClient, stage: Stage, name: str, place: str) -> None:
    wrong, pointer = {
        "workflow": (body(transform("a"), name=name), "/name"),
        "step": (body(transform(name)), "/steps/0/id"),
        "need": (body(transform("a") | {"needs": [name]}), "/steps/0/needs/0"),
        "named step": (body(transform("a") | {"name": name}), "/steps/0/name"),
        "goto": (body(transform("a") | {"on_error": {"goto": name}}), "/steps/0/on_error"),
    }[place]
    answer = await public.post("/workflows", json=wrong, headers=bearer(stage))
    assert answer.status_code == 422, answer.text
    pointers = [fault["pointer"] for fault in answer.json()["errors"]]
    # JSON that holds U+0000 is refused before anybody reads what it says.
    assert "\x00" in name or any(found.startswith(pointer) for found in pointers), pointers


@pytest.mark.parametrize(
    "trigger", [{"type": "interval", "every": "PT1S"}, {"type": "schedule", "cron": "* * * * *", "catch_up": "all"}]
)
async def test_b51_the_clock_starts_nothing_that_is_switched_off(
    public: httpx2.AsyncClient, stage: Stage, trigger: dict[str, Any]
) -> None:
    made = await public.post("/workflows", json=body(transform("a"), trigger=trigger), headers=bearer(stage))
    path = f"/workflows/{made.json()['id']}"
    await public.post(f"{path}/deactivate", headers=bearer(stage))
    await stage.execute("UPDATE trigger SET next_at = now() - interval '1 hour'")
    assert (await sweeping.fire_timers(stage.service.database))[0] == 0
    assert await stage.execute("SELECT count(*) FROM run") == [(0,)]
    await public.post(f"{path}/activate", headers=bearer(stage))
    await stage.execute("UPDATE trigger SET next_at = now() - interval '1 second'")
    assert (await sweeping.fire_timers(stage.service.database))[0] >= 1, "switched on, it would have fired"
