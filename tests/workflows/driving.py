"""Drives an execution in memory, with integrations that answer from a list; nothing is stored."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from services.workflows.domain import calls, plan
from services.workflows.domain.definition import Definition
from services.workflows.domain.execution import Execution
from services.workflows.domain.rows import Run
from services.workflows.step import Context, catalog
from shared import ids

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Answers:
    """Integrations and platform in memory: answers in turn, and a record of what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def _next(self, context: Context, what: str, given: Any) -> Any:
        self.asked.append((context.key, what, given))
        answer = self.answers.pop(0) if self.answers else {"status": 200, "headers": {}, "body": {}}
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def http(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._next(context, "http", request))

    async def action(self, context: Context, integration: str, action: str, given: Any) -> Any:
        return self._next(context, f"{integration}.{action}", given)

    async def emit(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._next(context, "emit", event))

    async def start(
        self, context: Context, workflow_id: uuid.UUID, given: Any, *, version: int | None = None
    ) -> uuid.UUID:
        what = f"start {workflow_id}" + (f" at {version}" if version else "")
        return uuid.UUID(str(self._next(context, what, given)))

    async def outcome(self, context: Context, run_id: uuid.UUID) -> dict[str, Any] | None:
        return dict(self._next(context, "outcome", run_id) or {}) or None

    async def ask(
        self,
        context: Context,
        approvers: Sequence[str],
        required: int,
        expires: datetime,
        form: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        assert all(question["name"] for question in form)
        return dict(self._next(context, "ask", (tuple(approvers), required, expires)))


def execution(*steps: dict[str, Any], given: Any = None, event: Any = None, **more: Any) -> Execution:
    body = {"name": "A workflow", "trigger": {"type": "manual"}, "steps": list(steps), **more}
    run = Run(
        id=ids.new(),
        organization_id=ids.new(),
        workflow_id=ids.new(),
        version=1,
        token=1,
        dry_run=False,
        depth=0,
        trace_id="0" * 32,
        trigger={"type": "manual", "data": given},
        event=event,
        input=given,
        created_at=NOON,
        started_at=NOON,
    )
    return Execution(run, plan.build(Definition.model_validate(body), catalog()), {})


async def drive(running: Execution, answers: Answers | None = None, *, until: timedelta = timedelta()) -> datetime:
    """Call whatever is ready, moving the clock to each waiting step's moment as far as `until`; answers the time."""
    tools = calls.Tools(answers or Answers(), answers or Answers())
    now = NOON
    while True:
        ready = running.ready(now)
        for item in ready:
            running.begin(item, now)
            running.settle(item, await calls.perform(running, item, tools, now), now)
        if not ready:
            wake = running.wake_at()
            if running.error or wake is None or wake > NOON + until:
                return now
            now = max(now, wake)


def statuses(running: Execution) -> dict[str, str]:
    return {key: row.status for key, row in running.rows.items()}
