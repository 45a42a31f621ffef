"""/workflows: saving, reading, switching on and off."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.deps import IfMatch, OnceDep, Reader, Writer, author, tagged
from services.workflows.domain import outside, workflows
from services.workflows.domain.definition import Definition
from services.workflows.schemas.workflows import DeactivateIn, WorkflowOut, keep, show
from shared import webapp
from shared.deps import CursorParameter, Limit, ServiceDep, Session
from shared.pagination import Page, cut

router = webapp.router(tags=["workflows"])


@router.post("/workflows", status_code=201)
async def create_workflow(
    body: Definition, response: Response, service: ServiceDep, principal: Writer, once: OnceDep
) -> WorkflowOut:
    """Saves a workflow, active at once. 422 names every fault by JSON Pointer."""

    async def create(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        workflow_id, _ = await workflows.create(session, author(principal), body)
        return 201, keep(await workflows.get(session, principal.organization_id, workflow_id))

    await outside.check_references(service.siblings, principal.organization_id, body)
    saved = tagged(response, await once(create, workflows.write(body)))
    response.headers["Location"] = f"{webapp.PREFIX}/workflows/{saved.id}"
    return saved


@router.get("/workflows")
async def list_workflows(
    *,
    service: ServiceDep,
    session: Session,
    principal: Reader,
    limit: Limit = 50,
    cursor: CursorParameter = None,
    active: Annotated[bool | None, Query()] = None,
) -> Page[WorkflowOut]:
    """The organisation's workflows, newest first."""
    scope = f"workflows|{active}"
    before = service.cursors.decode(cursor, organization_id=principal.organization_id, scope=scope) if cursor else None
    rows, last = cut(
        await workflows.page(
            session, principal.organization_id, before=UUID(before[0]) if before else None, limit=limit, active=active
        ),
        limit,
    )
    following = (
        service.cursors.encode([str(last.id)], organization_id=principal.organization_id, scope=scope) if last else None
    )
    return Page(items=[show(row) for row in rows], next_cursor=following)


@router.get("/workflows/{workflow_id}")
async def get_workflow(workflow_id: UUID, response: Response, session: Session, principal: Reader) -> WorkflowOut:
    """One workflow with its present version; `ETag` is for `If-Match`."""
    found = await workflows.get(session, principal.organization_id, workflow_id)
    response.headers["ETag"] = workflows.etag(found)
    return show(found)


@router.put("/workflows/{workflow_id}")
async def replace_workflow(
    *,
    workflow_id: UUID,
    body: Definition,
    response: Response,
    service: ServiceDep,
    principal: Writer,
    once: OnceDep,
    if_match: IfMatch = None,
) -> WorkflowOut:
    """Saves a new version; runs under way keep theirs. 412 when `If-Match` names an older state."""

    async def replace(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        return 200, keep(await workflows.replace(session, author(principal), workflow_id, body, if_match=if_match))

    await outside.check_references(service.siblings, principal.organization_id, body)
    return tagged(response, await once(replace, [workflows.write(body), if_match]))


@router.delete("/workflows/{workflow_id}", status_code=204)
async def delete_workflow(workflow_id: UUID, principal: Writer, once: OnceDep, if_match: IfMatch = None) -> None:
    """Deletes a workflow and ends its runs; what ran stays readable."""

    async def delete(session: AsyncSession) -> tuple[int, None]:
        await workflows.delete(session, author(principal), workflow_id, if_match=if_match)
        return 204, None

    await once(delete, if_match)


@router.post("/workflows/{workflow_id}/activate")
async def activate_workflow(
    *,
    workflow_id: UUID,
    response: Response,
    service: ServiceDep,
    principal: Writer,
    once: OnceDep,
    if_match: IfMatch = None,
) -> WorkflowOut:
    """Lets triggers and people start runs again; 422 names the fields whose integrations are missing."""

    async def activate(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        return 200, keep(
            await workflows.switch(session, author(principal), workflow_id, active=True, if_match=if_match)
        )

    organization_id = principal.organization_id
    async with service.database.session(organization_id) as session:
        known = await workflows.get(session, organization_id, workflow_id)
    if not known.active:
        definition = Definition.model_validate(known.definition)
        await outside.check_references(service.siblings, organization_id, definition)
    return tagged(response, await once(activate, if_match))


@router.post("/workflows/{workflow_id}/deactivate")
async def deactivate_workflow(
    *,
    workflow_id: UUID,
    response: Response,
    principal: Writer,
    once: OnceDep,
    body: DeactivateIn | None = None,
    if_match: IfMatch = None,
) -> WorkflowOut:
    """Starts no more runs; with `cancel_runs` ends queued, waiting and running ones at once."""
    cancel_runs = body is not None and body.cancel_runs

    async def deactivate(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        return 200, keep(
            await workflows.switch(
                session, author(principal), workflow_id, active=False, cancel_runs=cancel_runs, if_match=if_match
            )
        )

    return tagged(response, await once(deactivate, [cancel_runs, if_match]))
