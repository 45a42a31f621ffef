"""Workflows as YAML documents for a repository: the same id whenever one is written, and no secrets, for none is there.

Only plain data is read: no tags, no aliases (which can stand for gigabytes), no dates, no name twice in a mapping.
"""

from typing import Any
from uuid import UUID

import yaml
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import workflows
from services.workflows.domain.definition import Definition, StepDefinition
from services.workflows.domain.templates import escape
from services.workflows.domain.workflows import Author
from services.workflows.step import catalog
from services.workflows.storage import workflows as stored
from shared import errors

DEEPEST = 64
_STEP = [field.alias or name for name, field in StepDefinition.model_fields.items()]
_DATES = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without what a document of ours never needs."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say which plain words mean more than text
        first: [(tag, pattern) for tag, pattern in pairs if tag != _DATES]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases and deep nesting while reading."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"nested deeper than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuse a name that stands twice, and names that are no text."""
        names = [key.value for key, _ in node.value]
        if len(names) != len(set(names)):
            raise yaml.YAMLError("a name stands twice in one mapping")
        found = super().construct_mapping(node, deep=deep)
        if not all(isinstance(name, str) for name in found):
            raise yaml.YAMLError("a name is no text; put it in quotes")
        return found


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with lists indented and long texts in lines, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - never indentless
        """Lists stand two spaces inside of what holds them."""
        super().increase_indent(flow, False)


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _write_text)


def write(row: Any) -> str:
    """A stored workflow as a document, always in the same order: that of the language, then of the alphabet."""
    definition = workflows.write(Definition.model_validate(row.definition))
    document = {"id": str(row.id), **definition, "steps": [_in_order(step) for step in definition["steps"]]}
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _in_order(step: Any) -> Any:
    """A step whose fields, and those of the steps inside it, stand as its type names them."""
    if isinstance(step, list):
        return [_in_order(item) for item in step]
    kind = catalog().get(step.get("type", "")) if isinstance(step, dict) else None
    if kind is None:
        return step
    ranks = {field.alias or name: rank for rank, (name, field) in enumerate(kind.inputs.model_fields.items())}
    own = {name: rank for rank, name in enumerate(_STEP)}
    given = step.get("with", {})
    inside = {name: _sorted(given[name]) for name in sorted(given, key=lambda name: (ranks.get(name, 99), name))}
    inside |= {name: _in_order(given[name]) for name in ("steps", "branches") if name in given}
    ordered = {name: step[name] for name in sorted(step, key=lambda name: (own.get(name, 99), name))}
    return {**ordered, "with": inside} if "with" in step else ordered


def _sorted(value: Any) -> Any:
    """Mappings by the alphabet, however PostgreSQL has kept them."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def read(raw: bytes) -> tuple[UUID | None, Definition]:
    """The id, if the document names one, and the definition; BadRequest or Invalid."""
    try:
        loader = _Loader(raw.decode("utf-8"))
        try:
            found = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as problem:
        raise errors.BadRequest("malformed-yaml", str(problem).replace("\n", " ")[:300]) from None
    if not isinstance(found, dict):
        raise errors.Invalid("invalid-workflow", "The document is no mapping.")
    try:
        identifier = UUID(str(found.pop("id"))) if "id" in found else None
    except ValueError:
        raise errors.invalid_field("/id", "Not a UUID.") from None
    try:
        return identifier, Definition.model_validate(found)
    except ValidationError as problem:
        faults = [
            errors.FieldError("".join(f"/{escape(str(part))}" for part in item["loc"]), item["msg"])
            for item in problem.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise errors.Invalid("invalid-workflow", f"{faults[0].pointer}: {faults[0].detail}", errors=faults) from None


async def save(
    session: AsyncSession, author: Author, identifier: UUID | None, definition: Definition, *, complete: bool = True
) -> tuple[Any, bool]:
    """Make the workflow that a document names, or a new version of it if it differs; True when it is new.

    One that is not `complete`, because integrations are missing here, is left switched off.
    """
    origin = f"import:{identifier}" if identifier else None
    known = await _known(session, author.organization_id, identifier, origin)
    if known is None:
        workflow_id, _ = await workflows.create(session, author, definition, origin=origin, active=complete)
        return await workflows.get(session, author.organization_id, workflow_id), True
    if not complete and known.active:
        known = await workflows.switch(session, author, known.id, active=False)
    if known.definition == workflows.write(definition):
        return known, False
    return await workflows.replace(session, author, known.id, definition, if_match=None), False


async def _known(session: AsyncSession, organization_id: UUID, identifier: UUID | None, origin: str | None) -> Any:
    if identifier is None or origin is None:
        return None
    found = await stored.get(session, organization_id, identifier)
    if found is not None:
        return found
    copied = await stored.find_by_origin(session, organization_id, origin)
    return await stored.get(session, organization_id, copied) if copied else None
