"""Versions of a workflow: listed, compared."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import workflows
from services.workflows.domain.definition import Definition
from services.workflows.domain.templates import escape
from services.workflows.storage import workflows as stored
from shared import errors

Change = dict[str, Any]


async def page(
    session: AsyncSession, organization_id: UUID, workflow_id: UUID, *, before: int | None, limit: int
) -> list[Any]:
    """Versions, newest first, one more than `limit` when more follow; NotFound for a workflow that is not there."""
    await workflows.get(session, organization_id, workflow_id)
    return await stored.versions(session, organization_id, workflow_id, before=before, limit=limit)


async def read(session: AsyncSession, organization_id: UUID, workflow_id: UUID, number: int) -> Definition:
    """What a version says, to go back to it."""
    await workflows.get(session, organization_id, workflow_id)
    found = await stored.version(session, organization_id, workflow_id, number)
    if found is None:
        raise errors.invalid_field("/version", "The workflow has no such version.")
    return Definition.model_validate(found.definition)


async def diff(
    session: AsyncSession, organization_id: UUID, workflow_id: UUID, first: int, second: int
) -> list[Change]:
    """What changed from one version to another, field by field."""
    await workflows.get(session, organization_id, workflow_id)
    found = [await stored.version(session, organization_id, workflow_id, number) for number in (first, second)]
    for name, row in zip(("from", "to"), found, strict=True):
        if row is None:
            raise errors.invalid_field(f"/query/{name}", "The workflow has no such version.")
    return list(compare(found[0].definition, found[1].definition))  # type: ignore[union-attr]


def compare(before: Any, after: Any, pointer: str = "") -> Iterator[Change]:
    """Walk two JSON values; steps are matched by their id, so that inserting one is one change."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _compare_members(before, after, pointer)
    elif _are_steps(before) and _are_steps(after):
        yield from _compare_members(_by_id(before), _by_id(after), pointer)
    else:
        yield {"pointer": pointer, "change": "changed", "before": before, "after": after}


def _compare_members(before: dict[str, Any], after: dict[str, Any], pointer: str) -> Iterator[Change]:
    for name in [*before, *(name for name in after if name not in before)]:
        place = f"{pointer}/{escape(name)}"
        if name not in after:
            yield {"pointer": place, "change": "removed", "before": before[name], "after": None}
        elif name not in before:
            yield {"pointer": place, "change": "added", "before": None, "after": after[name]}
        else:
            yield from compare(before[name], after[name], place)


def _are_steps(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "id" in item for item in value)


def _by_id(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(step["id"]): step for step in steps}
