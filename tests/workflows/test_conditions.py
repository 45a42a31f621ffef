"""CEL conditions: what they answer, and the bounds that keep one of them from holding the process."""

import time
from typing import Any

import pytest

from services.workflows.domain import conditions
from services.workflows.domain.names import ROOTS

NAMES: dict[str, Any] = {
    "event": {"data": {"branch": "main"}},
    "steps": {"look": {"output": {"body": {"minutes": 11}}}},
    "input": {"list": [1, 2, 3], "text": "abc"},
    "trigger": {},
    "run": {},
}


def test_answers_true_and_false() -> None:
    assert conditions.compile_condition("event.data.branch == 'main'", ROOTS).holds(NAMES)
    assert not conditions.compile_condition("steps.look.output.body.minutes > 11", ROOTS).holds(NAMES)
    assert conditions.compile_condition("input.list.exists(item, item == 2)", ROOTS).holds(NAMES)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 +", "Failed to parse"),
        ("secret == 1", "unknown name"),
        ("__import__('os')", "unknown name|Undefined|parse"),
        ("true || " * 200 + "true", "at most"),
        ("input.list.all(a, input.list.all(b, input.list.all(c, true)))", "nested"),
        ("input.text.matches(input.pattern)", "written in the condition"),
        ("input.text.matches('(a{100}){50}')", "repeats by count"),
        ("(" * 300 + "1" + ")" * 300 + " == 1", "."),
    ],
)
def test_refuses_at_save(source: str, reason: str) -> None:
    with pytest.raises((conditions.Refused, conditions.Unanswered), match=reason):
        conditions.compile_condition(source, ROOTS).holds(NAMES)


@pytest.mark.parametrize("source", ["input.missing == 1", "input.text + 1 == 2", "input.list", "1 / 0 == 1"])
def test_says_when_there_is_no_answer(source: str) -> None:
    with pytest.raises(conditions.Unanswered):
        conditions.compile_condition(source, ROOTS).holds(NAMES)


def test_text_that_looks_like_a_macro_is_no_macro() -> None:
    assert conditions.compile_condition("input.text != '.all(.all(.all('", ROOTS).holds(NAMES)


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("input.l.all(a, input.l.all(b, a + b >= 0))", {"l": list(range(5_000))}),
        ("size(input.l.map(a, input.s + input.s)) > 0", {"l": list(range(1_000)), "s": "x" * 100_000}),
        (r"!input.s.matches('\\w{200}$')", {"s": "x" * 1_000_000}),
    ],
)
def test_values_too_large_are_refused_at_once(source: str, values: dict[str, Any]) -> None:
    condition = conditions.compile_condition(source, ROOTS)
    began = time.perf_counter()
    with pytest.raises(conditions.Exceeded):
        condition.holds({"input": values})
    assert time.perf_counter() - began < 0.5


def test_b47_a_pattern_that_backtracks_elsewhere_is_quick_here() -> None:
    condition = conditions.compile_condition("input.s.matches('(a+)+$')", ROOTS)
    began = time.perf_counter()
    assert not condition.holds({"input": {"s": "a" * 50_000 + "b"}})
    assert time.perf_counter() - began < 0.1


CALLS = {
    "size": "size('a') == 1", "contains": "'ab'.contains('a')", "startsWith": "'ab'.startsWith('a')",
    "endsWith": "'ab'.endsWith('b')", "matches": "'ab'.matches('a')", "int": "int('1') == 1", "uint": "uint(1) == 1u",
    "double": "double(1) == 1.0", "string": "string(1) == '1'", "bytes": "bytes('a') == b'a'",
    "type": "type(1) == type(2)", "dyn": "dyn(1) == 1", "duration": "duration('1s') < duration('2s')",
} | {
    name: f"timestamp('2026-01-01T00:00:00Z').{name}() >= 0" for name in conditions.FUNCTIONS if name.startswith("get")
} | {"timestamp": "timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(conditions.FUNCTIONS))
def test_every_known_function_answers(name: str) -> None:
    assert conditions.compile_condition(CALLS[name], ROOTS).holds({})


@pytest.mark.parametrize("source", ["__import__('os').system('id') == 0", "open('x') == 1", "'a'.lower() == 'a'"])
def test_b46_functions_that_are_none_are_refused(source: str) -> None:
    with pytest.raises(conditions.Refused, match="unknown"):
        conditions.compile_condition(source, ROOTS)


def test_operators_and_macros_are_no_unknown_functions() -> None:
    source = (
        "!(-1 > 0 || 2 % 2 == 1) && ('a' in ['a'] ? has(input.x) : false) && [1].all(n, n > 0) && {'a': 1}['a'] == 1"
    )
    assert conditions.compile_condition(source, ROOTS).holds({"input": {"x": 1}})
