"""A step's parameters, each with the runs that prove it: constants, variables, texts around them, branches."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.events.mining import inference
from services.events.mining.inference import AGREEMENT, Flat

CONSTANT, VARIABLE, TEXT, BRANCH, UNKNOWN = "constant", "variable", "text", "branch", "unknown"
MOST_BRANCHES = 4
LEAST_RUNS_A_BRANCH = 3
_REFERENCE = re.compile(r"\{\{ (.*?) \}\}")
_UNSAFE = re.compile(r"['\\`{}]")


@dataclass(frozen=True)
class Parameter:
    """What a workflow's step gets at `path`: `value` as it is written there, None where no rule was found.

    runs: numbers of the runs whose events agree with it.
    """

    path: str
    kind: str
    value: Any
    runs: tuple[int, ...]


def infer(path: str, values: Sequence[Any], triggers: Sequence[Flat]) -> Parameter:
    """The parameter that explains nine in ten of the values, one a run (None where absent)."""
    told = inference.parameter(values, triggers)
    if told is not None:
        kind = _kind(told)
        runs = [run for run, value in enumerate(values) if value == _render(told, kind, triggers[run])]
        return Parameter(path, kind, told, tuple(runs))
    return _branch(path, values, triggers) or Parameter(path, UNKNOWN, None, ())


def _kind(value: Any) -> str:
    if not isinstance(value, str) or "{{" not in value:
        return CONSTANT
    return VARIABLE if _REFERENCE.fullmatch(value) else TEXT


def _render(value: Any, kind: str, trigger: Flat) -> Any:
    if kind == CONSTANT:
        return value
    if kind == VARIABLE:
        return trigger.get(value[3:-3])
    return _REFERENCE.sub(lambda match: str(trigger.get(match[1], "")), value)


def _branch(path: str, values: Sequence[Any], triggers: Sequence[Flat]) -> Parameter | None:
    """Where a field of the first event with few values decides which of few constants it is."""
    if sum(value is not None for value in values) < AGREEMENT * len(values):
        return None
    for field in inference.paths(triggers):
        cases = _cases(field, values, triggers)
        if cases is None:
            continue
        runs = tuple(run for run, value in enumerate(values) if cases.get(triggers[run].get(field)) == value)
        if len(runs) >= AGREEMENT * len(values) and len(set(cases.values())) > 1:
            chosen = " || ".join(f"({field} == {_literal(of)} && {_literal(to)})" for of, to in cases.items())
            return Parameter(path, BRANCH, f"{{{{ {chosen} || `null` }}}}", runs)
    return None


def _cases(field: str, values: Sequence[Any], triggers: Sequence[Flat]) -> dict[Any, Any] | None:
    """The constant for each value of the field, None when they are too many, too rare or cannot be written."""
    by_case: dict[Any, list[Any]] = defaultdict(list)
    for value, trigger in zip(values, triggers, strict=True):
        by_case[trigger.get(field)].append(value)
    if not 2 <= len(by_case) <= MOST_BRANCHES or min(map(len, by_case.values())) < LEAST_RUNS_A_BRANCH:
        return None
    cases = {of: Counter(found).most_common(1)[0][0] for of, found in sorted(by_case.items(), key=str)}
    return cases if _writable(cases) else None


def _writable(cases: dict[Any, Any]) -> bool:
    """Whether all parts can be quoted as they are; what JMESPath takes for false would fall through to the next."""
    parts = [part for pair in cases.items() for part in pair]
    quoted = all(part is not None and not (isinstance(part, str) and _UNSAFE.search(part)) for part in parts)
    return quoted and all(to is not False and to != "" for to in cases.values())


def _literal(value: Any) -> str:
    """The value as JMESPath writes it."""
    return f"'{value}'" if isinstance(value, str) else f"`{json.dumps(value)}`"
