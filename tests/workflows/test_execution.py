"""The state machine of one run: order, branches, retries, failures; the same rows give the same state again."""

from datetime import timedelta
from typing import Any

from services.workflows.domain.execution import Execution
from shared import errors
from tests.workflows.driving import NOON, Answers, drive, execution, statuses


def transform(name: str, output: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "transform", "with": {"output": output}, **more}


def http(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "http", "with": {"url": "https://example.com"}, **more}


async def test_steps_run_in_order_and_see_what_came_before() -> None:
    running = execution(transform("a", "{{ input.n }}"), transform("b", "{{ steps.a.output }}!"), given={"n": 3})
    await drive(running)
    assert statuses(running) == {"a": "succeeded", "b": "succeeded"}
    assert running.output() == "3!"
    assert not running.is_waiting()


async def test_needs_make_a_graph() -> None:
    running = execution(transform("a"), transform("b", needs=[]), transform("c", needs=["a", "b"]))
    assert [item.key for item in running.ready(NOON)] == ["a", "b"]


async def test_a_condition_skips_what_it_does_not_choose() -> None:
    choose = {"id": "c", "type": "condition", "with": {"when": "input.n > 1", "then": ["yes"], "else": ["no"]}}
    running = execution(choose, transform("yes"), transform("no"), transform("end"), given={"n": 2})
    await drive(running)
    assert statuses(running) == {"c": "succeeded", "yes": "succeeded", "no": "skipped", "end": "succeeded"}


async def test_skipping_goes_on_along_explicit_needs() -> None:
    choose = {"id": "c", "type": "condition", "with": {"when": "false", "then": ["yes"], "else": ["no"]}}
    running = execution(
        choose, transform("yes"), transform("more", needs=["yes"]), transform("no", needs=["c"]),
        transform("end", needs=["more", "no"]),
    )  # fmt: skip
    await drive(running)
    assert statuses(running)["more"] == "skipped"
    assert statuses(running)["end"] == "succeeded"


async def test_if_skips_one_step() -> None:
    running = execution(transform("a", **{"if": "1 > 2"}), transform("b"))
    await drive(running)
    assert statuses(running) == {"a": "skipped", "b": "succeeded"}


async def test_a_condition_without_an_answer_fails_the_step() -> None:
    running = execution(transform("a", **{"if": "input.missing > 2"}), transform("b"))
    await drive(running)
    assert running.error is not None
    assert running.error["type"] == "expression-failed"
    assert running.error["step"] == "a"


async def test_a_passing_fault_is_retried_with_growing_delays() -> None:
    down = {"status": 503, "headers": {}, "body": None}
    answers = Answers(
        down,
        errors.Remote(502, "target-unreachable", "away", title="", extensions={"retryable": True}),
        {"status": 200, "headers": {}, "body": 1},
    )
    running = execution(http("a", retry={"attempts": 3, "initial": "PT1S", "factor": 2}))
    ended = await drive(running, answers, until=timedelta(minutes=1))
    assert running.rows["a"].status == "succeeded"
    assert running.rows["a"].attempts == 3
    assert timedelta(seconds=2.4) <= ended - NOON <= timedelta(seconds=3.6)
    assert len({key for key, _, _ in answers.asked}) == 1, "every attempt carries the same key"


async def test_retry_after_is_honoured() -> None:
    answers = Answers({"status": 429, "headers": {"Retry-After": "30"}, "body": None})
    running = execution(http("a"))
    ended = await drive(running, answers, until=timedelta(minutes=1))
    assert ended - NOON >= timedelta(seconds=30)


async def test_other_refusals_fail_at_once() -> None:
    answers = Answers({"status": 404, "headers": {}, "body": None})
    running = execution(http("a"), transform("b"))
    await drive(running, answers, until=timedelta(minutes=1))
    assert running.rows["a"].attempts == 1
    assert running.error == {"type": "http-status", "detail": "the target answered 404", "step": "a"}
    assert "b" not in running.rows


async def test_attempts_run_out() -> None:
    answers = Answers(*[{"status": 500, "headers": {}, "body": None}] * 9)
    running = execution(http("a", retry={"attempts": 2}))
    await drive(running, answers, until=timedelta(hours=1))
    assert running.rows["a"].status == "failed"
    assert len(answers.asked) == 2


async def test_on_error_continue_goes_on() -> None:
    answers = Answers({"status": 404, "headers": {}, "body": None})
    running = execution(http("a", on_error="continue"), transform("b", "{{ steps.a.error.type }}"))
    await drive(running, answers)
    assert running.error is None
    assert running.output() == "http-status"


async def test_a_delay_waits_without_being_called() -> None:
    running = execution({"id": "d", "type": "delay", "with": {"for": "PT2S"}}, transform("b"))
    await drive(running)
    assert running.is_waiting()
    assert running.wake_at() == NOON + timedelta(seconds=2)
    ended = await drive(running, until=timedelta(seconds=3))
    assert ended == NOON + timedelta(seconds=2)
    assert statuses(running) == {"d": "succeeded", "b": "succeeded"}


async def test_another_worker_rebuilds_the_same_state_from_the_rows() -> None:
    running = execution(transform("a", 5), {"id": "d", "type": "delay", "with": {"for": "PT2S"}},
                        transform("b", "{{ steps.a.output }}"))  # fmt: skip
    await drive(running)
    taken_over = Execution(running.run, running.plan, dict(running.rows))
    await drive(taken_over, until=timedelta(seconds=3))
    assert taken_over.output() == 5


async def test_b49_an_output_too_large_fails_the_step() -> None:
    answers = Answers({"status": 200, "headers": {}, "body": "x" * 5_000_000})
    running = execution(http("a"))
    await drive(running, answers)
    assert running.error is not None
    assert running.error["type"] == "output-too-large"


async def test_inputs_are_checked_after_rendering() -> None:
    running = execution({"id": "d", "type": "delay", "with": {"for": "{{ input.length }}"}}, given={"length": "later"})
    await drive(running)
    assert running.error is not None
    assert running.error["type"] == "invalid-input"


async def test_a_fault_of_the_platform_costs_no_attempt() -> None:
    away = errors.Unavailable("sibling-unavailable", "away")
    answers = Answers(*[away] * 20, {"status": 200, "headers": {}, "body": 1})
    running = execution(http("a", retry={"attempts": 1}, **{"if": "input.n == 1"}), given={"n": 1})
    ended = await drive(running, answers, until=timedelta(minutes=10))
    assert (running.rows["a"].status, running.rows["a"].attempts) == ("succeeded", 1)
    assert ended - NOON <= timedelta(seconds=20 * 18)


async def test_a_platform_that_is_away_for_an_hour_counts_at_last() -> None:
    answers = Answers(*[errors.Unavailable("sibling-unavailable", "away")] * 1_000)
    running = execution(http("a", retry={"attempts": 1}))
    ended = await drive(running, answers, until=timedelta(hours=3))
    assert running.error is not None
    assert timedelta(hours=1) <= ended - NOON <= timedelta(hours=1, minutes=1)


async def test_what_waits_inside_a_branch_ends_with_it() -> None:
    """A run must not wait for ever for a delay in a branch of a step that has failed."""
    branches = [[http("bad", retry={"attempts": 1})], [{"id": "d", "type": "delay", "with": {"for": "PT1H"}}]]
    both = {"id": "p", "type": "parallel", "with": {"branches": branches}, "on_error": "continue"}
    running = execution(both, transform("b"))
    await drive(running, Answers({"status": 404, "headers": {}, "body": None}))
    assert statuses(running) == {"p": "failed", "p[0].bad": "failed", "p[1].d": "cancelled", "b": "succeeded"}
    assert not running.is_waiting()
    assert running.wake_at() is None


async def test_goto_leaves_out_what_lies_between() -> None:
    answers = Answers({"status": 404, "headers": {}, "body": None})
    running = execution(
        http("a", on_error={"goto": "sorry"}), transform("b"), transform("aside", needs=[]),
        transform("c", needs=["b"]),
        transform("sorry", "{{ steps.a.error.type }}", needs=["c"]), transform("end"),
    )  # fmt: skip
    await drive(running, answers)
    assert running.error is None
    assert statuses(running) == {
        "a": "failed", "b": "skipped", "aside": "succeeded", "c": "skipped", "sorry": "succeeded", "end": "succeeded",
    }  # fmt: skip
    assert running.rows["sorry"].output == "http-status"


async def test_without_an_error_goto_changes_nothing() -> None:
    running = execution(http("a", on_error={"goto": "c"}), transform("b"), transform("c"))
    await drive(running)
    assert set(statuses(running).values()) == {"succeeded"}
