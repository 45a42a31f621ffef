"""Reading events."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query

from services.events.domain import events, rejections
from services.events.domain.events import Criteria
from services.events.schemas.events import EventOut, RejectionOut
from shared import webapp
from shared.deps import CursorParameter, Limit, ServiceDep, Session, allow
from shared.identity import Principal
from shared.pagination import Page, cut

routes = webapp.router(tags=["events"])

Reader = Annotated[Principal, allow("events:read")]
_Text = Annotated[str | None, Query(max_length=1024)]


def read_criteria(
    *,
    type: _Text = None,  # noqa: A002  # the name of the parameter
    source: _Text = None,
    actor: _Text = None,
    subject: _Text = None,
    after: Annotated[str | None, Query(max_length=64, description="RFC 3339, on `time`")] = None,
    before: Annotated[str | None, Query(max_length=64, description="RFC 3339, on `time`")] = None,
) -> Criteria:
    """The filters of every list of events."""
    return events.criteria(type=type, source=source, actor=actor, subject=subject, after=after, before=before)


CriteriaDep = Annotated[Criteria, Depends(read_criteria)]


@routes.get("/events")
async def list_events(
    *,
    session: Session,
    service: ServiceDep,
    principal: Reader,
    criteria: CriteriaDep,
    limit: Limit = 50,
    cursor: CursorParameter = None,
) -> Page[EventOut]:
    """Events, newest first."""
    scope = f"events:{criteria}"
    organization_id = principal.organization_id
    below = None if cursor is None else service.cursors.decode(cursor, organization_id=organization_id, scope=scope)
    items, last = cut(await events.page(session, organization_id, criteria, below, limit), limit)
    following = last and service.cursors.encode(events.sort_key(last), organization_id=organization_id, scope=scope)
    return Page[EventOut].model_validate({"items": items, "next_cursor": following})


@routes.get("/events/rejections")
async def list_rejections(
    session: Session, service: ServiceDep, principal: Reader, limit: Limit = 50, cursor: CursorParameter = None
) -> Page[RejectionOut]:
    """Items of batches and uploads that were refused in the last week, newest first."""
    organization_id = principal.organization_id
    scope = "rejections"
    below = None if cursor is None else service.cursors.decode(cursor, organization_id=organization_id, scope=scope)
    items, last = cut(await rejections.page(session, organization_id, below, limit), limit)
    following = last and service.cursors.encode([str(last["id"])], organization_id=organization_id, scope=scope)
    return Page[RejectionOut].model_validate({"items": items, "next_cursor": following})


@routes.get("/events/{event_id}")
async def get_event(session: Session, principal: Reader, event_id: UUID) -> EventOut:
    """One event."""
    found: dict[str, Any] = await events.get(session, principal.organization_id, event_id)
    return EventOut.model_validate(found)
