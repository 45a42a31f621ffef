"""Workflows as documents: the same text each time, in the order that people write, and nothing lost on the way."""

import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from services.workflows.domain import documents, workflows
from services.workflows.domain.definition import Definition

CALL = {"id": "call", "type": "http", "with": {"url": "https://example.com/{{ event.id }}", "method": "POST"}}
EACH = {"steps": [CALL], "items": "{{ input }}", "as": "one", "concurrency": 2}
ODD = {"yes": "no", "on": "1.0", "at": "2026-01-01", "n": None}
WHOLE: dict[str, Any] = {
    "steps": [
        CALL,
        {"with": EACH, "type": "foreach", "id": "each"},
        {"with": {"branches": [[CALL], [{**CALL, "id": "b"}]]}, "type": "parallel", "id": "both"},
        {
            "id": "say",
            "type": "transform",
            "with": {"output": "two\nlines\n"},
            "if": "input != null",
            "needs": ["both"],
        },
        {"id": "odd", "type": "transform", "with": {"output": ODD}},
    ],
    "trigger": {"type": "event", "match": {"source": "github", "where": "event.data.n > 1"}},
    "debounce": {"quiet": "PT30S", "key": "event.subject"},
    "name": "Ärger: #1",
}


def stored(definition: dict[str, Any]) -> Any:
    return SimpleNamespace(id=uuid.UUID(int=7), definition=workflows.write(Definition.model_validate(definition)))


def shuffle(value: Any) -> Any:
    """As PostgreSQL gives mappings back: by the length of their names."""
    if isinstance(value, dict):
        return {name: shuffle(value[name]) for name in sorted(value, key=lambda name: (len(name), name))}
    return [shuffle(item) for item in value] if isinstance(value, list) else value


def test_a_document_comes_back_whole() -> None:
    row = stored(WHOLE)
    identifier, definition = documents.read(documents.write(row).encode())
    assert identifier == row.id
    assert workflows.write(definition) == row.definition


def test_it_is_the_same_text_however_it_was_stored() -> None:
    row = stored(WHOLE)
    assert documents.write(row) == documents.write(row)
    other = SimpleNamespace(id=row.id, definition=shuffle(row.definition))
    assert documents.write(row) == documents.write(other)


def test_it_reads_as_people_write() -> None:
    lines = documents.write(stored(WHOLE)).splitlines()
    assert lines[0].startswith("id: ")
    tops = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert tops == ["id", "name", "trigger", "debounce", "steps"]
    assert lines[lines.index("steps:") + 1 : lines.index("steps:") + 6] == [
        "  - id: call", "    type: http", "    with:", "      method: POST",
        "      url: https://example.com/{{ event.id }}",
    ]  # fmt: skip
    assert "      output: |" in lines


@pytest.mark.parametrize("text", ["a: 1", "- x", "trailing \n", " lead\nx", "\ttab\nx", "no", "~", "0x1F", "é\u2028x"])
def test_any_text_survives(text: str) -> None:
    body = {
        "name": "x",
        "trigger": {"type": "manual"},
        "steps": [{"id": "a", "type": "transform", "with": {"output": text}}],
    }
    _, definition = documents.read(documents.write(stored(body)).encode())
    assert definition.steps[0].with_["output"] == text
