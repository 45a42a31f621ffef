"""How long work goes."""

from typing import Annotated
from uuid import UUID

from services.events.domain import jobs
from services.events.schemas.jobs import JobOut
from shared import webapp
from shared.deps import Session, allow
from shared.identity import Principal

routes = webapp.router(tags=["events"])


@routes.get("/events/jobs/{job_id}")
async def get_job(session: Session, principal: Annotated[Principal, allow("events:read")], job_id: UUID) -> JobOut:
    """One job of mining, upload or erasure."""
    return JobOut.model_validate(await jobs.get(session, principal.organization_id, job_id))
