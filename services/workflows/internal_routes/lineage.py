"""What the events service asks to tell an event's story to its end."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.workflows.domain import lineage
from services.workflows.domain.definition import Strict
from shared import webapp
from shared.deps import SystemSession, called_by
from shared.servicetokens import Caller

router = webapp.internal_router()


class LineageIn(Strict):
    """Where to begin: events, runs, keys of steps, workflows."""

    organization_id: UUID
    events: list[UUID] = Field(default=[], max_length=2_000)
    runs: list[UUID] = Field(default=[], max_length=200)
    keys: list[str] = Field(default=[], max_length=2_000)
    workflows: list[UUID] = Field(default=[], max_length=200)


class EffectOut(BaseModel):
    """A step that reached beyond its run."""

    step: str
    type: str
    key: str
    source: str | None


class RunOut(BaseModel):
    """A run, what it came of, and what it did."""

    id: UUID
    workflow_id: UUID
    version: int
    status: str
    dry_run: bool
    origin: str | None
    cause: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    effects: list[EffectOut]


class LineageOut(BaseModel):
    """At most 200 runs, oldest first."""

    runs: list[RunOut]


@router.post("/lineage")
async def trace(body: LineageIn, session: SystemSession, _caller: Annotated[Caller, called_by("events")]) -> LineageOut:
    """Runs with their versions, causes and effects."""
    found = await lineage.trace(session, **body.model_dump())
    return LineageOut.model_validate({"runs": found})
