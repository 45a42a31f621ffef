"""/runs and /workflows/{id}/runs: starting, waiting for, reading, cancelling and retrying runs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.deps import OnceDep, Runner, RunReader, WaitersDep, wake_workers
from services.workflows.domain import runs
from services.workflows.domain.results import Results
from services.workflows.schemas.runs import RetriedOut, RetryIn, RunIn, RunOut, RunSummary, StartedOut, Status
from shared import webapp
from shared.deps import CursorParameter, Limit, ServiceDep, Session
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
    once: OnceDep,
    wait: Wait = 0,
) -> RunOut | StartedOut:
    """Starts a run, at the present version unless one is named.

    202 as soon as it is stored, or with `wait` 200 and the whole run if it ended in time.
    """
    given = body or RunIn()

    async def start(session: AsyncSession) -> tuple[int, dict[str, str]]:
        started = await runs.start_by_hand(
            session,
            principal.organization_id,
            workflow_id,
            given=given.input,
            dry_run=given.dry_run,
            subject=principal.subject,
            version=given.version,
        )
        return 202, {"id": str(started.id), "status": started.status}

    answer = await once(start, given.model_dump(mode="json"))
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
async def cancel_run(run_id: UUID, principal: Runner, once: OnceDep) -> RunOut:
    """Ends a run at once, wherever it is; 409 `run-ended` when it has ended already."""

    async def cancel(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        await runs.cancel(session, principal.organization_id, run_id)
        ended = RunOut.model_validate(await runs.read(session, principal.organization_id, run_id))
        return 200, ended.model_dump(mode="json")

    return RunOut.model_validate((await once(cancel)).body)


@router.post("/runs/{run_id}/retry", status_code=202)
async def retry_run(run_id: UUID, service: ServiceDep, principal: Runner, once: OnceDep) -> StartedOut:
    """Goes on from the step that failed; what succeeded is not done again."""

    async def retry(session: AsyncSession) -> tuple[int, dict[str, str]]:
        await runs.retry(session, principal.organization_id, run_id)
        return 202, {"id": str(run_id), "status": "queued"}

    answer = await once(retry)
    wake_workers(service)
    return StartedOut.model_validate(answer.body)


@router.post("/runs/retry", status_code=202)
async def retry_runs(body: RetryIn, service: ServiceDep, principal: Runner, once: OnceDep) -> RetriedOut:
    """Retries up to a thousand ended runs of a workflow, oldest first, `per_second` of them a second."""

    async def retry(session: AsyncSession) -> tuple[int, dict[str, int]]:
        return 202, {"retried": await runs.retry_many(session, principal.organization_id, **body.model_dump())}

    answer = await once(retry, body.model_dump(mode="json"))
    wake_workers(service)
    return RetriedOut.model_validate(answer.body)
