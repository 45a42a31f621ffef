"""/workflows/{id}/versions, rollback, diff, export and import."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from services.workflows.deps import IfMatch, Reader, Writer, author
from services.workflows.domain import documents, outside, versions, workflows
from services.workflows.schemas.workflows import Change, DiffOut, ImportedOut, RollbackIn, VersionOut, WorkflowOut, show
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
    session: Session,
    principal: Writer,
    if_match: IfMatch = None,
) -> WorkflowOut:
    """Makes an earlier version the newest again, under a new number."""
    found = await workflows.restore(session, author(principal), workflow_id, body.version, if_match=if_match)
    response.headers["ETag"] = workflows.etag(found)
    return show(found)


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
async def import_workflow(request: Request, response: Response, service: ServiceDep, principal: Writer) -> ImportedOut:
    """Saves a YAML document: 201 when its id is new here, 200 with a new version only if something changed.

    What names integrations that are not here is saved too, but switched off, with a list of what is `missing`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {YAML, "application/x-yaml", "text/yaml"}:
        raise errors.Unsupported("unsupported-media-type", f"Send {YAML}.")
    identifier, definition = documents.read(await request.body())
    faults = await outside.missing(service.siblings, principal.organization_id, definition)
    async with service.database.session(principal.organization_id) as session:
        saved = documents.save(session, author(principal), identifier, definition, complete=not faults)
        found, created = await saved
    response.status_code = 201 if created else 200
    response.headers["ETag"] = workflows.etag(found)
    missing = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]
    return ImportedOut.model_validate({**show(found).model_dump(), "missing": missing})
