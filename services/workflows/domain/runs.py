"""Runs from outside: started within their limits, cancelled for good, retried from where they failed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import causes, pacing, plans, reading
from services.workflows.domain.definition import Concurrency, Definition
from services.workflows.domain.pacing import Pace
from services.workflows.storage import limits, news, runs, workflows
from shared import clock, errors, ids, tracing
from shared.database import raw

MOST_RETRIED = 1_000


@dataclass(frozen=True, slots=True)
class Start:
    """Everything that a new run is made from."""

    organization_id: UUID
    workflow_id: UUID
    version: int
    definition: Definition
    trigger: dict[str, Any]
    given: Any
    cause: dict[str, Any]
    run_id: UUID
    event: dict[str, Any] | None = None
    dry_run: bool = False
    depth: int = 0
    start_key: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """What became of a start: `queued`, or `skipped` by the workflow's concurrency limit."""

    id: UUID
    status: str


async def start(session: AsyncSession, what: Start) -> Started:
    """Store a run that is due now, or later if its workflow's limits say so; the same start key starts it once.

    A dry run takes no part in limits: it may neither use them up nor cancel what is real.
    """
    if what.depth > causes.DEEPEST:
        raise errors.Invalid("limit-exceeded", f"workflows start each other at most {causes.DEEPEST} deep")
    if what.start_key is not None:
        # Before any limit is asked: what has begun is not in its own way.
        begun = await runs.take_key(session, what.organization_id, what.start_key, what.run_id)
        if begun != what.run_id:
            return Started(begun, "queued")
    pace = Pace() if what.dry_run else await _limit(session, what)
    if pace.skipped:
        if what.start_key is not None:
            await runs.leave_key(session, what.organization_id, what.start_key)
        return Started(what.run_id, "skipped")
    if pace.run_id is None:
        await runs.insert(session, {**_row(what), **pace.columns}, seconds=pace.seconds)
    return Started(pace.run_id or what.run_id, "queued")


async def start_free(session: AsyncSession, starts: Sequence[Start]) -> int:
    """Store runs of workflows without limits, all due now; answers how many."""
    if starts:
        await runs.insert_all(session, [_row(what) for what in starts])
    return len(starts)


async def _limit(session: AsyncSession, what: Start) -> Pace:
    """What the limits of its workflow make of a start."""
    names = {"trigger": what.trigger, "event": what.event, "input": what.given, "run": {"id": str(what.run_id)}}
    definition, row, pace = what.definition, _row(what), Pace()
    if definition.debounce is not None and what.start_key is None:  # whoever has a key waits for a run of its own
        pace = await pacing.debounce(session, definition.debounce, row, names)
    elif definition.throttle is not None:
        pace = await pacing.throttle(session, definition.throttle, row, names)
    if definition.concurrency is None or pace.skipped or pace.run_id is not None:
        return pace
    key = pacing.key_of(definition.concurrency.key, names)
    verdict = await _admit(session, definition.concurrency, key, what)
    columns = {"concurrency_key": key, "concurrency_limit": definition.concurrency.limit, "held": verdict == "held"}
    return replace(pace, skipped=verdict == "skipped", columns=columns)


async def refuse(session: AsyncSession, what: Start, kind: str, detail: str) -> None:
    """Store a run that was never to begin, so that people see why."""
    now = clock.now()
    error = {"type": kind, "detail": detail, "step": None}
    await runs.insert(
        session,
        {**_row(what), "status": "failed", "error": error, "due_at": None, "started_at": now, "finished_at": now},
    )
    await news.publish(session, [what.run_id])


def _row(what: Start) -> dict[str, Any]:
    return {
        "id": what.run_id,
        "organization_id": what.organization_id,
        "workflow_id": what.workflow_id,
        "version": what.version,
        "trigger": what.trigger,
        "event": what.event,
        "input": what.given,
        "cause": what.cause,
        "dry_run": what.dry_run,
        "depth": what.depth,
        "trace_id": tracing.trace_id(),
        "created_at": clock.now(),
    }


async def start_by_hand(
    session: AsyncSession,
    organization_id: UUID,
    workflow_id: UUID,
    *,
    given: Any,
    dry_run: bool,
    subject: str,
    version: int | None = None,
) -> Started:
    """Start a run that somebody asked for, at the present version unless they name one.

    Raises Conflict `workflow-inactive` when it is switched off, unless the run is dry.
    """
    found = await workflows.get(session, organization_id, workflow_id, share=True)
    if found is None:
        raise errors.NotFound
    if not found.active and not dry_run:
        raise errors.Conflict("workflow-inactive", "The workflow is deactivated; activate it first.")
    chosen = found if version is None else await workflows.version(session, organization_id, workflow_id, version)
    if chosen is None:
        raise errors.invalid_field("/version", "The workflow has no such version.")
    started = await start(
        session,
        Start(
            organization_id=organization_id,
            workflow_id=workflow_id,
            version=chosen.version,
            definition=Definition.model_validate(chosen.definition),
            trigger={"type": "manual", "data": given},
            given=given,
            cause={"kind": "manual", "by": subject},
            run_id=ids.new(),
            dry_run=dry_run,
        ),
    )
    if started.status == "skipped":
        raise errors.Conflict("concurrency-limit", "As many runs as the workflow allows are under way or began lately.")
    return started


async def rehearse(
    session: AsyncSession,
    organization_id: UUID,
    workflow_id: UUID,
    *,
    origin: str,
    event: dict[str, Any] | None,
) -> UUID | None:
    """Start the dry run that shows what a workflow made by an origin will do, once; None when the workflow is gone."""
    found = await workflows.get(session, organization_id, workflow_id)
    if found is None:
        return None
    definition = Definition.model_validate(found.definition)
    what = Start(
        organization_id=organization_id,
        workflow_id=workflow_id,
        version=found.version,
        definition=definition,
        trigger={"type": definition.trigger.type, "data": event.get("data") if event else None},
        event=event,
        given=None,
        cause=dict(zip(("kind", "id"), origin.split(":", 1), strict=True)),
        run_id=ids.new(),
        dry_run=True,
        start_key=f"rehearsal of {origin}",
    )
    return (await start(session, what)).id


async def cancel(session: AsyncSession, organization_id: UUID, run_id: UUID) -> str:
    """End a run at once and fence off its worker; answers its status, which a run that has ended keeps."""
    if await runs.cancel(session, organization_id, runs.is_run(run_id)):
        return "cancelled"
    found = await runs.get(session, organization_id, run_id)
    if found is None:
        raise errors.NotFound
    raise errors.Conflict("run-ended", f"The run has {found.status} already.")


async def retry(session: AsyncSession, organization_id: UUID, run_id: UUID) -> None:
    """Let a failed or cancelled run go on from the step that did not succeed; its effects keep their keys."""
    found = await runs.get(session, organization_id, run_id, lock=True)
    if found is None:
        raise errors.NotFound
    if found.status not in {"failed", "cancelled"}:
        raise errors.Conflict(
            "run-not-failed", f"Only a failed or cancelled run can be retried; this one is {found.status}."
        )
    await _check_active(session, organization_id, found.workflow_id)
    await runs.requeue(session, organization_id, [run_id], gap_seconds=0)


async def retry_many(
    session: AsyncSession,
    organization_id: UUID,
    *,
    workflow_id: UUID,
    status: str,
    after: datetime | None,
    before: datetime | None,
    per_second: float,
) -> int:
    """Retry up to a thousand ended runs, oldest first, so many a second; answers how many."""
    await _check_active(session, organization_id, workflow_id)
    found = await runs.failed(
        session, organization_id, workflow_id=workflow_id, status=status, after=after, before=before, limit=MOST_RETRIED
    )
    await runs.requeue(session, organization_id, found, gap_seconds=1 / per_second)
    return len(found)


async def _check_active(session: AsyncSession, organization_id: UUID, workflow_id: UUID) -> None:
    found = await workflows.get(session, organization_id, workflow_id, share=True)
    if found is None:
        raise errors.NotFound
    if not found.active:
        raise errors.Conflict("workflow-inactive", "The workflow is deactivated; activate it first.")


async def _admit(session: AsyncSession, limit: Concurrency, key: str, what: Start) -> str:
    """Tell whether a run may go, is held or is skipped; whoever decides for the same key waits meanwhile."""
    await limits.lock(session, what.workflow_id, key)
    busy = await limits.under_way(session, what.workflow_id, key)
    if len(busy) < limit.limit:
        return "go"
    if limit.on_limit == "skip":
        return "skipped"
    if limit.on_limit == "queue":
        return "held"
    for run_id in busy[: len(busy) - limit.limit + 1]:
        await runs.cancel(session, what.organization_id, runs.is_run(run_id))
    return "go"


async def read(session: AsyncSession, organization_id: UUID, run_id: UUID) -> dict[str, Any]:
    """One run with every step; NotFound."""
    found = await read_many(await raw(session), [(organization_id, run_id)])
    if not found:
        raise errors.NotFound
    whole: dict[str, Any] = found[organization_id, run_id]
    return whole


async def read_many(connection: Any, wanted: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Any]:
    """Runs with every step, by (organisation, run); what is missing or another organisation's is left out."""
    rows = await runs.get_many(connection, set(wanted))
    known = await plans.find(connection, {(row["workflow_id"], row["version"]) for row in rows})
    found = {}
    for row in rows:
        key = (row["workflow_id"], row["version"])
        shown = reading.steps(plans.compiled(key, known[key]), row["status"], row["steps"])
        found[row["organization_id"], row["id"]] = {**reading.summary(row), "steps": shown}
    return {place: found[place] for place in wanted if place in found}


async def page(
    session: AsyncSession, organization_id: UUID, *, filters: dict[str, Any], before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Runs without their steps, newest first, one more than `limit` when more follow."""
    rows = await runs.page(session, organization_id, filters=filters, before=before, limit=limit)
    return [reading.summary(row) for row in rows]
