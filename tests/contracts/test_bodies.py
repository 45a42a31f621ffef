"""What a body calls a number or a truth value is one in JSON, too: `"1"`, `0` and `true` stand for nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.attacks import applications

WRONG = {"boolean": (0, 1, "true", "no"), "integer": (True, "1", 1.5)}


def plain_fields(model: type[BaseModel]) -> Iterator[tuple[str, Any, str]]:
    """Name, type and JSON type of each field that is a whole number or a truth value, perhaps null."""
    for name, told in model.model_json_schema().get("properties", {}).items():
        kinds = {part.get("type") for part in told.get("anyOf", [told])} - {"null"}
        if len(kinds) == 1 and (kind := kinds.pop()) in WRONG:
            field = next(field for own, field in model.model_fields.items() if (field.alias or own) == name)
            yield name, TypeAdapter(field.rebuild_annotation()), kind


def takes(adapter: Any, value: object) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("service", applications.SERVICES)
def test_numbers_and_truth_values_are_not_read_from_anything_else(service: str) -> None:
    bodies = applications.bodies(service)
    found = [(model, *field) for model in bodies.values() for field in plain_fields(model)]
    assert found, f"no body among {sorted(bodies)} has such a field"
    lax = [f"{model.__name__}.{name} takes {value!r}"
           for model, name, adapter, kind in found for value in WRONG[kind] if takes(adapter, value)]  # fmt: skip
    assert not lax
