"""What steps may ask of Floyo itself, each call effective once for a step's key."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.clients import events
from services.workflows.domain import causes, runs
from services.workflows.domain.definition import Definition
from services.workflows.messages import ApprovalRequested
from services.workflows.step import Context
from services.workflows.storage import approvals, asides, family, tables, workflows
from services.workflows.storage import runs as stored
from shared import clock, errors, ids, outbox
from shared.database import Database
from shared.httpclient import Siblings
from shared.testing import faults
from shared.testing.faults import failpoint


class Platform:
    """The calls of `step.Platform`, on this service's own database and its siblings. A dry one only rehearses."""

    def __init__(
        self, database: Database, siblings: Siblings, wake: Callable[[], Awaitable[None]], *, dry: bool = False
    ) -> None:
        self._database, self._siblings, self._wake, self._dry = database, siblings, wake, dry

    async def emit(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Record an event under the step's key; a dry run records nothing."""
        if not self._dry:
            cause = causes.write(context.run_id, context.depth)
            await events.record(self._siblings, context.organization_id, {**event, "id": context.key}, cause)
        return {"id": context.key, "dry_run": self._dry}

    async def start(self, context: Context, workflow_id: UUID, given: Any, *, version: int | None = None) -> UUID:
        """Start a run of another workflow of the organisation, once for the step's key."""
        async with self._database.session(context.organization_id) as session:
            found = await workflows.get(session, context.organization_id, workflow_id, share=True)
            if found is None or not found.active:
                raise errors.Invalid("workflow-unavailable", "The workflow to start is missing or deactivated.")
            if version is not None:
                found = await workflows.version(session, context.organization_id, workflow_id, version)
            if found is None:
                raise errors.Invalid("workflow-unavailable", f"The workflow to start has no version {version}.")
            if await family.nesting(session, context.run_id) >= causes.MOST_NESTED:
                raise errors.Invalid("limit-exceeded", f"runs stand at most {causes.MOST_NESTED} deep in each other")
            by = await family.starter(session, context.run_id)
            started = await runs.start(
                session,
                runs.Start(
                    organization_id=context.organization_id,
                    workflow_id=workflow_id,
                    version=found.version,
                    definition=Definition.model_validate(found.definition),
                    trigger={"type": "workflow", "data": given},
                    given=given,
                    cause={"kind": "run", "id": str(context.run_id), "step": context.step_id}
                    | ({"by": by} if by else {}),
                    run_id=ids.new(),
                    dry_run=self._dry,
                    depth=context.depth + 1,
                    start_key=context.key,
                ),
            )
            if await family.has_failed_before(session, started.id, context.run_id):
                await stored.requeue(session, context.organization_id, [started.id], gap_seconds=0)
            failpoint("child-start-before-commit")
        failpoint("child-start-after-commit")
        if started.status == "skipped":
            raise errors.Invalid("concurrency-limit", "As many runs as that workflow allows are under way.")
        await self._wake()
        return started.id

    async def outcome(self, context: Context, run_id: UUID) -> dict[str, Any] | None:
        """How a run ended, or None while it has not."""
        async with self._database.session(context.organization_id) as session:
            found = await stored.get(session, context.organization_id, run_id)
            key = found.output_key if found else None
            output = (await asides.load(session, run_id, [key])).get(key) if key else found and found.output
        if found is None:
            error = {"type": "run-gone", "detail": "it was deleted"}
            return {"status": "failed", "output": None, "error": error}
        if found.finished_at is None:
            return None
        return {"status": found.status, "output": output, "error": found.error}

    async def ask(
        self,
        context: Context,
        approvers: Sequence[str],
        required: int,
        expires: datetime,
        form: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """This step's approval and what was decided so far; nobody is asked in a dry run."""
        if self._dry:
            return {"id": None, "status": "approved", "decisions": []}
        values = {
            "id": ids.new(),
            "organization_id": context.organization_id,
            "run_id": context.run_id,
            "workflow_id": context.workflow_id,
            "key": context.step_id,
            "approvers": list(approvers),
            "required": required,
            "expires_at": expires,
            "created_at": clock.now(),
            "form": list(form),
        }
        async with self._database.session(context.organization_id) as session:
            values["requested_by"] = await family.starter(session, context.run_id)
            found, opened = await approvals.open_or_find(session, values)
            late = opened and faults.active("outbox-after-commit")
            if opened and not late:
                await _tell(session, found)
            status = found.status
            if status == "open" and found.expires_at <= context.now:
                expired = await approvals.expire(session, found.id, context.now)
                status = "expired" if expired else (await approvals.again(session, found.id)).status
            decided = await approvals.decisions(session, found.id)
        failpoint("outbox-after-commit")
        if late:
            async with self._database.session(context.organization_id) as session:
                await _tell(session, found)
        made = [{"by": row.decided_by, "decision": row.decision, "comment": row.comment}
                | ({"answers": row.answers} if row.answers else {}) for row in decided]  # fmt: skip
        return {"id": str(found.id), "status": status, "decisions": made}


async def _tell(session: AsyncSession, approval: Any) -> None:
    message = ApprovalRequested(
        organization_id=approval.organization_id,
        approval_id=approval.id,
        run_id=approval.run_id,
        workflow_id=approval.workflow_id,
        step=approval.key,
        approvers=approval.approvers,
        required=approval.required,
        expires_at=approval.expires_at,
        requested_by=approval.requested_by,
    )
    await outbox.add(session, tables.outbox, message, to=("integrations", "auth"), key=str(approval.id))
