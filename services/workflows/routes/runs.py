"""/runs and /workflows/{id}/runs: starting, waiting for, reading, cancelling and retrying runs."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.workflows.deps import Runner, RunReader, WaitersDep, wake_workers
from services.workflows.domain import keys, runs
from services.workflows.domain.results import Results
from services.workflows.schemas.runs import RetriedOut, RetryIn, RunIn, RunOut, RunSummary, StartedOut, Status
from shared import turns, webapp
from shared.deps import CursorParameter, IdempotencyKey, Limit, ServiceDep, Session
from shared.pagination import Page, cut

router = webapp.router(tags=["runs"])

Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the run to end")]


@router.post(
    "/workflows/{workflow_id}/runs",
    status_code=202,
    response_model=None,
    responses={200: {"model": RunOut, "description": "The run has ended"}, 202: {"model": StartedOut}},
)
async def start_run(
    *,
    workflow_id: UUID,
    service: ServiceDep,
    waiters: WaitersDep,
    response: Response,
    principal: Runner,
    body: RunIn | None = None,
    key: IdempotencyKey = None,
    wait: Wait = 0,
) -> RunOut | StartedOut:
    """Starts a run; 202 as soon as it is stored, or with `wait` 200 and the whole run if it ended in time."""
    given = body or RunIn()

    async def produce() -> tuple[int, dict[str, str]]:
        started = await runs.start_by_hand(
            session,
            principal.organization_id,
            workflow_id,
            given=given.input,
            dry_run=given.dry_run,
            subject=principal.subject,
        )
        return 202, {"id": str(started.id), "status": started.status}

    route = f"POST /workflows/{workflow_id}/runs"
    turn = turns.in_turn(principal.organization_id, route, key)
    async with turn, service.database.session(principal.organization_id) as session:
        answer = await keys.once(
            session,
            organization_id=principal.organization_id,
            route=route,
            key=key,
            request=given.model_dump(mode="json"),
            produce=produce,
        )
    started = StartedOut.model_validate(answer.body)
    wake_workers(service)
    response.headers["Location"] = f"{webapp.PREFIX}/runs/{started.id}"
    if wait:
        await waiters.wait(started.id, wait)
        found = RunOut.model_validate(await service.part(Results).read(principal.organization_id, started.id))
        if found.finished_at is not None:
            response.status_code = 200
            return found
        return StartedOut(id=found.id, status=found.status)
    return started


@router.get("/runs")
async def list_runs(
    *,
    service: ServiceDep,
    session: Session,
    principal: RunReader,
    workflow_id: Annotated[UUID | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Limit = 50,
    cursor: CursorParameter = None,
) -> Page[RunSummary]:
    """The organisation's runs, newest first, without their steps."""
    organization_id = principal.organization_id
    scope = f"runs|{workflow_id}|{status}"
    before = service.cursors.decode(cursor, organization_id=organization_id, scope=scope) if cursor else None
    rows, last = cut(
        await runs.page(
            session,
            organization_id,
            filters={"workflow_id": workflow_id, "status": status},
            before=UUID(before[0]) if before else None,
            limit=limit,
        ),
        limit,
    )
    following = None
    if last is not None:
        following = service.cursors.encode([str(last["id"])], organization_id=organization_id, scope=scope)
    return Page(items=[RunSummary.model_validate(row) for row in rows], next_cursor=following)


@router.get("/runs/{run_id}")
async def get_run(run_id: UUID, session: Session, principal: RunReader) -> RunOut:
    """One run with every step."""
    return RunOut.model_validate(await runs.read(session, principal.organization_id, run_id))


@router.post("/runs/{run_id}/cancel")
async def cancel_run(run_id: UUID, session: Session, principal: Runner) -> RunOut:
    """Ends a run at once, wherever it is; 409 `run-ended` when it has ended already."""
    await runs.cancel(session, principal.organization_id, run_id)
    return RunOut.model_validate(await runs.read(session, principal.organization_id, run_id))


@router.post("/runs/{run_id}/retry", status_code=202)
async def retry_run(run_id: UUID, service: ServiceDep, principal: Runner) -> StartedOut:
    """Goes on from the step that failed; what succeeded is not done again."""
    async with service.database.session(principal.organization_id) as session:
        await runs.retry(session, principal.organization_id, run_id)
    wake_workers(service)
    return StartedOut(id=run_id, status="queued")


@router.post("/runs/retry", status_code=202)
async def retry_runs(body: RetryIn, service: ServiceDep, principal: Runner) -> RetriedOut:
    """Retries up to a thousand ended runs of a workflow, oldest first, `per_second` of them a second."""
    async with service.database.session(principal.organization_id) as session:
        retried = await runs.retry_many(session, principal.organization_id, **body.model_dump())
    wake_workers(service)
    return RetriedOut(retried=retried)
