"""Answers of a rehearsal: values that fit an output's schema, made without calling anybody."""

from typing import Any

from pydantic import BaseModel

MAX_DEPTH = 8


def sample(model: type[BaseModel]) -> Any:
    """A JSON value of the model's schema: defaults and examples where declared, else the plainest value."""
    schema = model.model_json_schema()
    return _value(schema, schema.get("$defs", {}), 0)


def _value(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    if depth > MAX_DEPTH:
        return None
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].rpartition("/")[2]], definitions, depth + 1)
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _value(schema[key][0], definitions, depth + 1)
    return _plainest(schema, definitions, depth)


def _plainest(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object":
        return {name: _value(item, definitions, depth + 1) for name, item in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(schema.get("items", {}), definitions, depth + 1) for _ in range(schema.get("minItems", 0))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"string": "", "boolean": False}.get(str(kind))
