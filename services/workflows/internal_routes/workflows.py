"""What the events service asks for: a workflow from a suggestion, runs for matches, the list of subscriptions."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field

from services.workflows.deps import wake_workers
from services.workflows.domain import outside, runs, triggers, workflows
from services.workflows.domain.definition import Strict
from services.workflows.domain.workflows import Author
from services.workflows.schemas.workflows import AppliedOut, ApplyIn
from shared import webapp
from shared.deps import ServiceDep, SystemSession, called_by
from shared.servicetokens import Caller

router = webapp.internal_router()
Events = Annotated[Caller, called_by("events")]


class TriggerMatch(Strict):
    """An event that matches a trigger."""

    trigger_id: UUID
    organization_id: UUID
    event: dict[str, Any]


class MatchesIn(Strict):
    """A batch of matches; each (trigger, event) starts one run however often it comes."""

    matches: list[TriggerMatch] = Field(max_length=5_000)


class StartedCount(BaseModel):
    """How many runs a batch started."""

    started: int


class Subscription(BaseModel):
    """One trigger that listens to events."""

    trigger_id: UUID
    organization_id: UUID
    workflow_id: UUID
    revision: int
    match: dict[str, Any]
    active: bool


class Subscriptions(BaseModel):
    """Subscriptions by trigger id; `next` goes on as `after`."""

    items: list[Subscription]
    next: UUID | None


@router.post("/workflows", status_code=201)
async def apply(body: ApplyIn, response: Response, service: ServiceDep, _caller: Events) -> AppliedOut:
    """Makes an inactive workflow and its dry run once for an origin: 201, and 200 with the same ids ever after.

    While the workflow is as it was made and not switched on, it follows the draft.
    """
    await outside.check_references(service.siblings, body.organization_id, body.definition)
    author = Author(body.organization_id, f"user:{body.actor_id}" if body.actor_id else "suggestion")
    origin = f"{body.origin.type}:{body.origin.id}"
    async with service.database.system() as session:
        workflow_id, created = await workflows.create(session, author, body.definition, origin=origin, active=False)
        if not created:
            await workflows.redraft(session, author, workflow_id, body.definition)
        rehearsal = await runs.rehearse(session, body.organization_id, workflow_id, origin=origin, event=body.event)
    if created:
        wake_workers(service)
    else:
        response.status_code = 200
    return AppliedOut(workflow_id=workflow_id, dry_run_id=rehearsal)


@router.post("/trigger-matches")
async def match(body: MatchesIn, service: ServiceDep, _caller: Events) -> StartedCount:
    """Starts a run for each match that is new and still concerns an active workflow."""
    async with service.database.system() as session:
        started = await triggers.match(
            session, [(item.trigger_id, item.organization_id, item.event) for item in body.matches]
        )
    if started:
        wake_workers(service)
    return StartedCount(started=started)


@router.get("/subscriptions")
async def list_subscriptions(
    session: SystemSession, _caller: Events, after: Annotated[UUID | None, Query()] = None
) -> Subscriptions:
    """Every trigger that listens to events, a thousand at a time."""
    rows = await triggers.listening(session, after)
    items = [
        Subscription(
            trigger_id=row.id,
            organization_id=row.organization_id,
            workflow_id=row.workflow_id,
            revision=row.revision,
            match=row.match or {},
            active=row.active,
        )
        for row in rows
    ]
    return Subscriptions(items=items, next=items[-1].trigger_id if len(items) == triggers.PAGE else None)
