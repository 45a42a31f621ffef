"""Workflows: saved with every version, switched on and off, told to whoever listens for their triggers."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import audit, plan, triggers
from services.workflows.domain.definition import Definition
from services.workflows.step import catalog
from services.workflows.storage import runs, workflows
from shared import clock, errors, ids


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes a workflow, where: an organisation, and `user:<id>` or the like for the record."""

    organization_id: UUID
    subject: str


def etag(row: Any) -> str:
    """The entity tag of a workflow's present state."""
    return f'"{row.version}-{int(row.updated_at.timestamp() * 1_000_000):x}"'


def write(definition: Definition) -> dict[str, Any]:
    """The definition as it is stored and shown: what was written, without defaults."""
    written: dict[str, Any] = definition.model_dump(mode="json", exclude_unset=True, by_alias=True)
    return written


async def create(
    session: AsyncSession, author: Author, definition: Definition, *, origin: str | None = None, active: bool = True
) -> tuple[UUID, bool]:
    """Check and store a workflow; answers its id, and False when its origin had made it before."""
    plan.build(definition, catalog())
    now = clock.now()
    workflow_id = ids.new()
    values = {
        "id": workflow_id,
        "organization_id": author.organization_id,
        "name": definition.name,
        "active": active,
        "origin": origin,
        "created_by": author.subject,
        "created_at": now,
        "updated_at": now,
    }
    if not await workflows.insert_first(session, values, write(definition)):
        found = await workflows.find_by_origin(session, author.organization_id, str(origin))
        return found or workflow_id, False
    await _sync(session, author, workflow_id, definition, active=active)
    await _note(session, author, "workflow.created", workflow_id)
    return workflow_id, True


async def redraft(session: AsyncSession, author: Author, workflow_id: UUID, definition: Definition) -> None:
    """Let a workflow follow its origin's latest draft, unless somebody has changed it, switched it on or deleted it."""
    found = await workflows.get(session, author.organization_id, workflow_id, lock=True)
    if found is not None and not found.active and found.version == 1 and found.definition != write(definition):
        await replace(session, author, workflow_id, definition, if_match=None)


async def get(session: AsyncSession, organization_id: UUID, workflow_id: UUID) -> Any:
    """One workflow with its present definition; NotFound."""
    found = await workflows.get(session, organization_id, workflow_id)
    if found is None:
        raise errors.NotFound
    return found


async def replace(
    session: AsyncSession, author: Author, workflow_id: UUID, definition: Definition, *, if_match: str | None
) -> Any:
    """Store a new version; runs under way keep theirs. PreconditionFailed when somebody else was faster."""
    plan.build(definition, catalog())
    found = await _lock(session, author, workflow_id, if_match)
    now = clock.now()
    version = found.version + 1
    values = {"organization_id": author.organization_id, "created_by": author.subject, "updated_at": now}
    await workflows.insert_version(session, workflow_id, version, values, write(definition))
    await workflows.update(session, workflow_id, version=version, name=definition.name, updated_at=now)
    await _sync(session, author, workflow_id, definition, active=found.active)
    await _note(session, author, "workflow.changed", workflow_id, version=version)
    return await get(session, author.organization_id, workflow_id)


async def switch(
    session: AsyncSession,
    author: Author,
    workflow_id: UUID,
    *,
    active: bool,
    cancel_runs: bool = False,
    if_match: str | None = None,
) -> Any:
    """Activate or deactivate; with `cancel_runs` whatever is queued, waiting or running ends at once."""
    found = await _lock(session, author, workflow_id, if_match)
    if found.active != active:
        await workflows.update(session, workflow_id, active=active, updated_at=clock.now())
        await _sync(session, author, workflow_id, Definition.model_validate(found.definition), active=active)
        await _note(session, author, "workflow.activated" if active else "workflow.deactivated", workflow_id)
    if cancel_runs:
        await runs.cancel(session, author.organization_id, runs.is_of_workflow(workflow_id))
    return await get(session, author.organization_id, workflow_id)


async def delete(session: AsyncSession, author: Author, workflow_id: UUID, *, if_match: str | None) -> None:
    """Hide a workflow for good and end its runs; what ran stays readable."""
    found = await _lock(session, author, workflow_id, if_match)
    now = clock.now()
    await _sync(session, author, workflow_id, Definition.model_validate(found.definition), active=False)
    await workflows.update(session, workflow_id, active=False, deleted_at=now, updated_at=now)
    await _note(session, author, "workflow.deleted", workflow_id)
    await runs.cancel(session, author.organization_id, runs.is_of_workflow(workflow_id))


async def _note(session: AsyncSession, author: Author, action: str, workflow_id: UUID, **details: Any) -> None:
    await audit.record(session, author.organization_id, author.subject, action, workflow_id, **details)


async def _lock(session: AsyncSession, author: Author, workflow_id: UUID, if_match: str | None) -> Any:
    found = await workflows.get(session, author.organization_id, workflow_id, lock=True)
    if found is None:
        raise errors.NotFound
    if if_match not in {None, "*", etag(found)}:
        raise errors.PreconditionFailed("version-changed", "The workflow has changed since it was read.")
    return found


async def _sync(
    session: AsyncSession, author: Author, workflow_id: UUID, definition: Definition, *, active: bool
) -> None:
    await triggers.sync(
        session,
        organization_id=author.organization_id,
        workflow_id=workflow_id,
        definition=definition,
        active=active,
    )


async def page(
    session: AsyncSession, organization_id: UUID, *, before: UUID | None, limit: int, active: bool | None
) -> list[Any]:
    """Workflows, newest first, one more than `limit` when more follow."""
    return await workflows.page(session, organization_id, before=before, limit=limit, active=active)
