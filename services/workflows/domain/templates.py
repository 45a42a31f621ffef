"""Templates: `{{ … }}` holds a JMESPath expression, and a string that is one expression keeps its type."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from services.workflows.domain import mappings

OPEN, CLOSE = "{{", "}}"
LONGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class Text:
    """A string with expressions in it, as a sequence of plain text and mappings."""

    parts: tuple[str | mappings.JmesPath, ...]

    def render(self, names: Mapping[str, Any], purse: mappings.Purse) -> Any:
        """Answer the value of a sole expression as it is, else the parts joined to text."""
        if len(self.parts) == 1 and isinstance(self.parts[0], mappings.JmesPath):
            return self.parts[0].search(names, purse)
        pieces = [part if isinstance(part, str) else write(part.search(names, purse)) for part in self.parts]
        if sum(map(len, pieces)) > LONGEST:
            raise mappings.Exceeded("the text is longer than 4 MiB")
        return "".join(pieces)


Template = Text | dict[str, Any] | list[Any] | str | int | float | bool | None


def compile_value(value: Any, roots: frozenset[str]) -> Template:
    """Compile every string inside a JSON value; mappings.Refused rises with the pointer as its second argument."""
    compiled: Template = _compile(value, roots, "")
    return compiled


def render(template: Any, names: Mapping[str, Any], purse: mappings.Purse | None = None) -> Any:
    """Render a compiled value; what it may build in all is bounded by one purse."""
    return _render(template, names, purse or mappings.Purse())


def write(value: Any) -> str:
    """Write a value into the middle of a text: nothing for null, JSON for what is no text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def escape(name: str) -> str:
    """Write one name as a JSON Pointer token."""
    return name.replace("~", "~0").replace("/", "~1")


def is_template(value: Any) -> bool:
    """Tell whether a value is text that holds an expression."""
    return isinstance(value, str) and OPEN in value


def _compile(value: Any, roots: frozenset[str], pointer: str) -> Any:
    if isinstance(value, str):
        return _compile_text(value, roots, pointer) if OPEN in value else value
    if isinstance(value, dict):
        return {name: _compile(item, roots, f"{pointer}/{escape(name)}") for name, item in value.items()}
    if isinstance(value, list):
        return [_compile(item, roots, f"{pointer}/{index}") for index, item in enumerate(value)]
    return value


def _compile_text(text: str, roots: frozenset[str], pointer: str) -> Text:
    parts: list[str | mappings.JmesPath] = []
    rest = text
    while OPEN in rest:
        before, _, rest = rest.partition(OPEN)
        if before:
            parts.append(before)
        try:
            mapping, rest = _take(rest, roots)
        except mappings.Refused as problem:
            raise mappings.Refused(str(problem), pointer) from None
        parts.append(mapping)
    if rest:
        parts.append(rest)
    return Text(tuple(parts))


def _take(rest: str, roots: frozenset[str]) -> tuple[mappings.JmesPath, str]:
    """Read one expression; braces may close inside it, so each `}}` is tried until one ends a sound expression."""
    end, problem = rest.find(CLOSE), mappings.Refused("'{{' without '}}'")
    for _ in range(8):
        if end < 0:
            break
        try:
            return mappings.compile_mapping(rest[:end].strip(), roots), rest[end + 2 :]
        except mappings.Refused as refused:
            problem = refused
            end = rest.find(CLOSE, end + 1)
    raise problem


def _render(template: Any, names: Mapping[str, Any], purse: mappings.Purse) -> Any:
    if isinstance(template, Text):
        return template.render(names, purse)
    if isinstance(template, dict):
        return {name: _render(item, names, purse) for name, item in template.items()}
    if isinstance(template, list):
        return [_render(item, names, purse) for item in template]
    return template
