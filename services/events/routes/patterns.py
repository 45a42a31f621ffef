"""Patterns, and asking for new ones."""

from typing import Annotated
from uuid import UUID

from services.events.deps import PagesDep, WakeDep
from services.events.domain import jobs, patterns
from services.events.schemas.jobs import JobStarted
from services.events.schemas.patterns import Kind, PatternOut
from shared import webapp
from shared.deps import ServiceDep, Session, allow
from shared.identity import Principal
from shared.pagination import Page

routes = webapp.router(tags=["patterns"])

Reader = Annotated[Principal, allow("patterns:read")]


@routes.post("/patterns/mine", status_code=202)
async def mine(
    service: ServiceDep, wake: WakeDep, principal: Annotated[Principal, allow("patterns:write")]
) -> JobStarted:
    """Mines the organisation's events; patterns and suggestions are there when the job has succeeded."""
    async with service.database.session(principal.organization_id) as session:
        job_id = await jobs.start(session, principal.organization_id, "mining", {}, shared=True)
    await wake()
    return JobStarted(job_id=job_id)


@routes.get("/patterns")
async def list_patterns(
    session: Session, principal: Reader, pages: PagesDep, kind: Kind | None = None
) -> Page[PatternOut]:
    """Patterns, those that cost most time first."""
    scope = f"patterns:{kind}"
    found = await patterns.page(session, principal.organization_id, kind, pages.below(scope), pages.limit)
    return Page[PatternOut].model_validate(pages.cut(found, scope, patterns.sort_key))


@routes.get("/patterns/{pattern_id}")
async def get_pattern(session: Session, principal: Reader, pattern_id: UUID) -> PatternOut:
    """One pattern."""
    return PatternOut.model_validate(await patterns.get(session, principal.organization_id, pattern_id))
