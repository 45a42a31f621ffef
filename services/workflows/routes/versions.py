"""/workflows/{id}/versions, rollback, diff, export and import."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.deps import IfMatch, OnceDep, Reader, Writer, author, tagged
from services.workflows.domain import documents, outside, versions, workflows
from services.workflows.schemas.workflows import Change, DiffOut, ImportedOut, RollbackIn, VersionOut, WorkflowOut, keep
from shared import errors, webapp
from shared.deps import CursorParameter, Limit, ServiceDep, Session
from shared.pagination import Page, cut

router = webapp.router(tags=["workflows"])

YAML = "application/yaml"
_DOCUMENT = {"schema": {"type": "object"}}  # what the text says, as OpenAPI describes every media type


@router.get("/workflows/{workflow_id}/versions")
async def list_versions(
    *,
    workflow_id: UUID,
    service: ServiceDep,
    session: Session,
    principal: Reader,
    limit: Limit = 50,
    cursor: CursorParameter = None,
) -> Page[VersionOut]:
    """Every version as it was saved, newest first."""
    organization_id, scope = principal.organization_id, f"versions|{workflow_id}"
    before = service.cursors.decode(cursor, organization_id=organization_id, scope=scope) if cursor else None
    found = await versions.page(
        session, organization_id, workflow_id, before=int(before[0]) if before else None, limit=limit
    )
    rows, last = cut(found, limit)
    following = service.cursors.encode([last.version], organization_id=organization_id, scope=scope) if last else None
    return Page(items=[VersionOut.model_validate(row, from_attributes=True) for row in rows], next_cursor=following)


@router.post("/workflows/{workflow_id}/rollback")
async def roll_back(
    *,
    workflow_id: UUID,
    body: RollbackIn,
    response: Response,
    service: ServiceDep,
    principal: Writer,
    once: OnceDep,
    if_match: IfMatch = None,
) -> WorkflowOut:
    """Makes an earlier version the newest again, under a new number; 422 names what it needs and is not there now."""
    organization_id = principal.organization_id
    async with service.database.session(organization_id) as session:
        definition = await versions.read(session, organization_id, workflow_id, body.version)

    async def restore(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        return 200, keep(
            await workflows.replace(session, author(principal), workflow_id, definition, if_match=if_match)
        )

    await outside.check_references(service.siblings, organization_id, definition)
    return tagged(response, await once(restore, [body.version, if_match]))


@router.get("/workflows/{workflow_id}/diff")
async def compare_versions(
    workflow_id: UUID,
    session: Session,
    principal: Reader,
    first: Annotated[int, Query(alias="from", ge=1, le=2**31 - 1)],
    second: Annotated[int, Query(alias="to", ge=1, le=2**31 - 1)],
) -> DiffOut:
    """What changed between two versions; steps are matched by their id."""
    changes = await versions.diff(session, principal.organization_id, workflow_id, first, second)
    shown = [Change.model_validate(change) for change in changes]
    return DiffOut(from_version=first, to_version=second, changes=shown)


@router.get("/workflows/{workflow_id}/export", response_class=Response, responses={200: {"content": {YAML: _DOCUMENT}}})
async def export_workflow(workflow_id: UUID, session: Session, principal: Reader) -> Response:
    """The workflow as a YAML document that belongs in a repository."""
    found = await workflows.get(session, principal.organization_id, workflow_id)
    return Response(documents.write(found), media_type=YAML)


@router.post(
    "/workflows/import",
    openapi_extra={"requestBody": {"required": True, "content": {YAML: _DOCUMENT}}},
    responses={201: {"model": ImportedOut, "description": "The workflow is new"}},
)
async def import_workflow(
    request: Request, response: Response, service: ServiceDep, principal: Writer, once: OnceDep
) -> ImportedOut:
    """Saves a YAML document: 201 when its id is new here, 200 with a new version only if something changed.

    What names integrations that are not here is saved too, but switched off, with a list of what is `missing`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {YAML, "application/x-yaml", "text/yaml"}:
        raise errors.Unsupported("unsupported-media-type", f"Send {YAML}.")
    identifier, definition = documents.read(await request.body())
    faults = await outside.missing(service.siblings, principal.organization_id, definition)
    missing = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]

    async def save(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        saved = documents.save(session, author(principal), identifier, definition, complete=not faults)
        found, created = await saved
        return 201 if created else 200, {**keep(found), "missing": missing}

    answer = await once(save, [identifier, workflows.write(definition)])
    response.status_code = answer.status
    shown = tagged(response, answer).model_dump()
    return ImportedOut.model_validate({**shown, "missing": answer.body["missing"]})
