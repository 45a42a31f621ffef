"""Templates and JMESPath mappings: types kept, text joined, budgets enforced, nothing else ever evaluated."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.workflows.domain import mappings, templates
from services.workflows.domain.names import ROOTS

NAMES: dict[str, Any] = {
    "trigger": {"data": {"build": 7, "tags": ["a", "b"], "none": None}},
    "input": {"rows": [{"n": 1, "k": "x"}, {"n": 2, "k": "y"}]},
    "steps": {"look": {"output": {"body": {"ok": True}}}},
    "run": {},
    "event": None,
}


def render(value: Any) -> Any:
    return templates.render(templates.compile_value(value, ROOTS), NAMES)


def test_a_sole_expression_keeps_its_type() -> None:
    assert render("{{ trigger.data.build }}") == 7
    assert render("{{ trigger.data.tags }}") == ["a", "b"]
    assert render("{{ event }}") is None
    assert render({"deep": ["{{ steps.look.output.body.ok }}"]}) == {"deep": [True]}


def test_expressions_inside_text_are_joined() -> None:
    assert render("build {{ trigger.data.build }} of {{trigger.data.tags}}") == 'build 7 of ["a","b"]'
    assert render("<{{ trigger.data.none }}>") == "<>"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("capture(input.text, 'PR #* of *', `1`)", "12"),
        ("capture(input.text, 'PR #* of *', `2`)", "acme/shop"),
        ("to_number(capture(input.text, 'PR #* of *', `1`))", 12),
        ("capture(input.text, 'PR #* of *', `3`)", None),
        ("capture(input.text, 'PR #* of *', `0`)", None),
        ("capture(input.text, 'Issue *', `1`)", None),
        ("capture(input.nothing, '*', `1`)", None),
    ],
)
def test_a_part_of_a_text_is_captured(expression: str, expected: Any) -> None:
    template = templates.compile_value("{{ " + expression + " }}", ROOTS)
    assert templates.render(template, {"input": {"text": "PR #12 of acme/shop"}}) == expected


def test_braces_inside_an_expression() -> None:
    assert render("{{ {a: {b: trigger.data.build}} }}") == {"a": {"b": 7}}
    assert render("{{ input.rows[?n > `1`].k | [0] }}") == "y"


@pytest.mark.parametrize("text", ["${7*7}", "#{7*7}", "{% print(1) %}", "<%= 1 %>", "{single}", "$(id)"])
def test_b46_other_template_languages_are_plain_text(text: str) -> None:
    assert render(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "{{''.__class__.__mro__}}",
        "{{ trigger.__class__ }}",
        "{{ 7*7 }}",
        "{{ secrets.token }}",
        "{{ open }}",
        "{{ }}",
        "{{ trigger",
        "{{ config.items() }}",
        "{{ a" + ".a" * 2_000 + " }}",
        "{{ " + "(" * 500 + "trigger" + ")" * 500 + " }}",
    ],
)
def test_b46_expressions_outside_the_language_are_refused(text: str) -> None:
    with pytest.raises(mappings.Refused):
        render(text)


@pytest.mark.parametrize(
    "expression",
    [
        "trigger" + "|[@,@]" * 60,
        "trigger" + "|[@,@][]" * 60,
        "to_string(trigger)" + "|join('', [@,@])" * 50,
        "trigger|{a:@,b:@}" + "|{a:@,b:@}" * 40,
    ],
)
def test_doubling_is_stopped_by_the_budget(expression: str) -> None:
    began = time.perf_counter()
    with pytest.raises(mappings.Exceeded):
        render("{{ " + expression + " }}")
    assert time.perf_counter() - began < 2.0


def test_many_copies_of_a_large_value_share_one_budget() -> None:
    large = {"input": {"rows": list(range(100_000))}}
    template = templates.compile_value(["{{ input.rows }}"] * 50, ROOTS)
    with pytest.raises(mappings.Exceeded):
        templates.render(template, large)


@given(st.text())
def test_any_text_is_rendered_or_refused(text: str) -> None:
    try:
        result = render(text)
    except (mappings.Refused, mappings.Unanswered):
        return
    assert result == text or "{{" in text
