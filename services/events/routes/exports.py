"""Events as a file."""

from typing import Annotated, Literal

from fastapi.responses import StreamingResponse

from services.events.domain import audit, exports
from services.events.routes.events import CriteriaDep
from shared import webapp
from shared.deps import ServiceDep, allow
from shared.identity import Principal

routes = webapp.router(tags=["events"])

_CONTENT = {"application/x-ndjson": {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}}


@routes.get("/events/export", response_class=StreamingResponse, responses={200: {"content": _CONTENT}})
async def export_events(
    service: ServiceDep,
    principal: Annotated[Principal, allow("events:read")],
    criteria: CriteriaDep,
    format: Literal["ndjson", "csv"] = "ndjson",  # noqa: A002  # the name of the parameter
) -> StreamingResponse:
    """Every event that fits the filters, oldest first, as NDJSON or CSV."""
    make, media = (exports.table, "text/csv") if format == "csv" else (exports.ndjson, "application/x-ndjson")
    headers = {"Content-Disposition": f'attachment; filename="events.{format}"'}
    organization_id = principal.organization_id
    async with service.database.session(organization_id) as session:
        await audit.record(session, organization_id, principal.subject, "events.exported", "events", format=format)
    body = make(service.database, organization_id, criteria)
    return StreamingResponse(body, media_type=media, headers=headers)
