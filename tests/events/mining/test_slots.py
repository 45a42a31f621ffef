"""Slots inside a subject become variables that the engine renders as people would have typed them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.events.mining import parameters, slots
from services.events.mining.inference import Flat, flatten
from services.events.mining.pattern import Pattern
from services.events.mining.proposal import propose
from services.events.mining.symbols import Token
from services.workflows.domain import templates
from shared import captures
from tests.events.mining.templated import Case, cases

RIGHT = 0.95


def engine(value: Any, event: dict[str, Any]) -> Any:
    """What a step of a workflow makes of a parameter."""
    return templates.render(templates.compile_value(value, frozenset({"event"})), {"event": event})


def right(case: Case, look: Callable[[list[Flat]], list[Flat]] = slots.enrich) -> bool:
    """Whether the parameter found on the seen events renders every later one as people would."""
    triggers = look([flatten({"subject": subject}) for subject in case.subjects])
    found = parameters.infer("data.value", case.values, triggers)
    if case.kind == "unknown" or found.value is None:
        return found.kind == case.kind
    return all(engine(found.value, {"subject": subject}) == value for subject, value in case.later)


def test_slots_are_right_on_planted_templates() -> None:
    planted = [case for seed in range(12) for case in cases(seed)]
    wrong = [case for case in planted if not right(case)]
    assert len(planted) > 400
    told = [f"{case.kind}: {case.subject} → {case.values[0]}" for case in wrong[:20]]
    assert len(wrong) <= (1 - RIGHT) * len(planted), told
    blind = [case for case in planted if not right(case, list)]
    assert len(blind) > 0.4 * len(planted), "without a look inside subjects most of it must be wrong"


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("PR #12 of acme/shop", "PR #* of *", ["12", "acme/shop"]),
        ("PR #12 of acme/shop", "PR #* of */*", ["12", "acme", "shop"]),
        ("a-b-c", "*-*", ["a", "b-c"]),
        ("a.csv", "*.csv", ["a"]),
        (".csv", "*.csv", None),
        ("aa", "a*a", None),
        ("x", "y*", None),
        ("same", "same", None),
        ("ab", "**", None),
        ("a" * 100_000, "*b*" + "a*" * 50, None),
    ],
)
def test_parts_of_texts(text: str, pattern: str, expected: list[str] | None) -> None:
    assert captures.parts(text, pattern) == expected


@pytest.mark.parametrize("text", ["it's {n}", "a`{n}", "x\\{n}", "{{{n}}}", "*{n}", "tab\t{n}"])
def test_what_cannot_be_quoted_is_no_slot(text: str) -> None:
    triggers: list[Flat] = [{"event.subject": text.replace("{n}", str(number))} for number in range(10)]
    assert all(not ("'" in text and "it's" in name) for name in slots.enrich(triggers)[0])
    for name in slots.enrich(triggers)[0]:
        engine("{{ " + name + " }}", {"subject": triggers[0]["event.subject"]})


def test_a_step_takes_what_it_needs_from_the_subject_and_cites_both_events() -> None:
    runs: list[list[dict[str, Any]]] = [
        [
            {"id": f"a{n}", "source": "github", "type": "review.requested", "subject": f"PR #{n} of acme/shop"},
            {
                "id": f"b{n}",
                "source": "chat",
                "type": "message.posted",
                "subject": "#shop",
                "data": {"text": f"See #{n}"},
            },
        ]
        for n in range(10, 30)
    ]
    steps = (Token("github", "review.requested"), Token("chat", "message.posted"))
    pattern = Pattern("sequence", steps, 20, 20, 9.0, 0.0, ("ann",), 20, 20, 9.0, (9.0,), 1.0, 0.0, 1.0, 60.0, ())
    made = propose(pattern, runs)
    text = made.workflow["steps"][0]["with"]["output"]["data"]["text"]
    assert engine(text, {"subject": "PR #77 of acme/shop"}) == "See #77"
    (told,) = (item for item in made.parameters if item["path"] == "data.text")
    assert told["kind"] == "text"
    assert set(told["evidence"]) == {"a10", "b10", "a11", "b11", "a12"}
