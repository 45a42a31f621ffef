"""What a proposed trigger asks of an event: written as CEL for the workflow, and told here by the same few terms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EQUALS, STARTS, PRESENT_AND_EQUALS = "equals", "starts", "present-and-equals"
Value = str | int | float | bool


@dataclass(frozen=True)
class Term:
    """One demand on the value at a path such as `event.data.branch`; a value that is absent never meets it."""

    path: str
    operator: str
    value: Value

    def cel(self) -> str:
        """The term as the workflow's condition."""
        value = json.dumps(self.value, ensure_ascii=False)
        if self.operator == STARTS:
            return f"{self.path}.startsWith({value})"
        equal = f"{self.path} == {value}"
        return f"has({self.path}) && {equal}" if self.operator == PRESENT_AND_EQUALS else equal

    def holds(self, event: Mapping[str, Any]) -> bool:
        """Whether an event (source, type, subject, data …) meets the term, as CEL would say."""
        found = value(self.path, event)
        if self.operator == STARTS:
            return isinstance(found, str) and found.startswith(str(self.value))
        return _kind(found) == _kind(self.value) and bool(found == self.value)


def value(path: str, event: Mapping[str, Any]) -> Any:
    """What stands at a path such as `event.data.branch`, None where nothing does."""
    found: Any = event
    for name in path.split(".")[1:]:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def cel(terms: Sequence[Term]) -> str:
    """All terms as one condition, empty where there is none."""
    return " && ".join(term.cel() for term in terms)


def holds(terms: Sequence[Term], event: Mapping[str, Any]) -> bool:
    """Whether the event meets every term."""
    return all(term.holds(event) for term in terms)


def _kind(value: object) -> type:
    """Numbers compare with numbers, but true is not 1."""
    return float if type(value) is int else type(value)
