"""Reading events."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query

from services.events.deps import PagesDep
from services.events.domain import events, lineage, rejections
from services.events.domain.events import Criteria
from services.events.schemas.events import EventOut, Lineage, RejectionOut
from shared import degraded, webapp
from shared.deps import ServiceDep, Session, allow
from shared.identity import Principal
from shared.pagination import Page

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
async def list_events(session: Session, principal: Reader, criteria: CriteriaDep, pages: PagesDep) -> Page[EventOut]:
    """Events, newest first."""
    scope = f"events:{criteria}"
    found = await events.page(session, principal.organization_id, criteria, pages.below(scope), pages.limit)
    return Page[EventOut].model_validate(pages.cut(found, scope, events.sort_key))


@routes.get("/events/rejections")
async def list_rejections(session: Session, principal: Reader, pages: PagesDep) -> Page[RejectionOut]:
    """Items of batches and uploads that were refused in the last week, newest first."""
    found = await rejections.page(session, principal.organization_id, pages.below("rejections"), pages.limit)
    return Page[RejectionOut].model_validate(pages.cut(found, "rejections", rejections.sort_key))


@routes.get("/events/{event_id}")
async def get_event(session: Session, principal: Reader, event_id: UUID) -> EventOut:
    """One event."""
    found: dict[str, Any] = await events.get(session, principal.organization_id, event_id)
    return EventOut.model_validate(found)


@routes.get("/events/{event_id}/lineage", responses=degraded.RESPONSES)
async def get_lineage(service: ServiceDep, principal: Reader, event_id: UUID) -> Lineage:
    """What led to the event, and the patterns, suggestions, runs of their workflows and effects that came of it."""
    return Lineage.model_validate(await lineage.trace(service, principal.organization_id, event_id))
