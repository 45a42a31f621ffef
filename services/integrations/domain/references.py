"""What workflows refer to, judged without secrets and without an outlet: integrations, their actions and inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import ValidationError

from services.integrations.domain import integrations
from services.integrations.domain.catalog import Catalog
from services.integrations.domain.integrations import Integration
from shared import errors
from shared.database import Database


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with reference number `index`; `path` leads into its input."""

    index: int
    field: Literal["integration", "action", "input"]
    detail: str
    path: tuple[str | int, ...] = ()
    kind: str = ""


async def judge(
    database: Database, known: Catalog, organization_id: UUID, references: list[tuple[str, str, Any]]
) -> list[Fault]:
    """The faults of (integration, action, input) references, in their order."""
    found: dict[str, Integration | None] = {}
    for name in {reference[0] for reference in references}:
        try:
            found[name] = await integrations.resolve(database, organization_id, name)
        except errors.Invalid:
            found[name] = None
    return [fault for index, item in enumerate(references) for fault in _judge(known, found, index, item)]


def _judge(
    known: Catalog, found: Mapping[str, Integration | None], index: int, reference: tuple[str, str, Any]
) -> list[Fault]:
    integration = found[reference[0]]
    if integration is None:
        return [Fault(index, "integration", "There is no such integration.")]
    kind = known.connector(integration.connector)
    action = kind.action(reference[1])
    if action is None:
        there = ", ".join(item.id for item in kind.actions)
        return [Fault(index, "action", f"{kind.name} has no such action; there are: {there}.")]
    try:
        action.input.model_validate({} if reference[2] is None else reference[2])
    except ValidationError as problem:
        listed = problem.errors(include_input=False, include_url=False, include_context=False)
        return [Fault(index, "input", item["msg"], tuple(item["loc"]), item["type"]) for item in listed]
    return []
