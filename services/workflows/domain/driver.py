"""Drives one leased run: calls what is ready, stores outcomes before the next effect, and says how it ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.workflows.domain import calls
from services.workflows.domain.execution import Execution
from services.workflows.domain.recorder import Recorder
from services.workflows.domain.rows import Ready, Row
from services.workflows.storage.records import Record
from shared.testing.faults import failpoint

STORED = ("key", "step_id", "type", "status", "attempts", "started_at", "finished_at", "due_at", "input", "output",
          "error", "state", "aside")  # fmt: skip


class Lost(Exception):
    """Another worker holds the run now, or it was cancelled; nothing of ours was written."""


@dataclass(slots=True)
class Driver:
    """One run under one lease."""

    execution: Execution
    recorder: Recorder
    tools: calls.Tools
    clock: Callable[[], datetime]
    tasks: "dict[asyncio.Task[Any], Ready]" = field(default_factory=dict)
    unsafe: bool = False

    @property
    def deadline(self) -> datetime | None:
        """When the run as a whole has taken too long."""
        limit = self.execution.plan.definition.timeout
        return None if limit is None else self.execution.run.started_at + limit

    async def drive(self) -> str:
        """Go on until nothing can go on now; answers the status that was stored. Raises Lost."""
        await self._read(self.execution.absent())
        try:
            while await self._turn():  # noqa: ASYNC110 - gives others their turn; there is nothing to wait for
                await asyncio.sleep(0)
        finally:
            for task in self.tasks:
                task.cancel()
        if self.execution.is_waiting() and _earliest(self.execution.wake_at(), self.deadline) is None:
            self.execution.stop("internal", "nothing is left that could wake the run")
        if self.execution.error:
            self.execution.close(self.clock())
        status = "failed" if self.execution.error else "waiting" if self.execution.is_waiting() else "succeeded"
        await self.store(status)
        return status

    async def store(self, status: str) -> None:
        """Write what changed, under the fencing token."""
        running, self.unsafe = self.execution, False
        steps = tuple(_stored(running.rows[key]) for key in sorted(running.dirty))
        running.dirty.clear()
        final = running.last() if status == "succeeded" else None
        record = Record(
            run_id=running.run.id,
            token=running.run.token,
            status=status,
            due_at=_earliest(running.wake_at(), self.deadline),
            signals=running.run.signals,
            output=final.output if final and final.aside is None else None,
            output_key=final.key if final and final.aside is not None else None,
            error=running.error,
            steps=steps,
            organization_id=running.run.organization_id,
            workflow_id=running.run.workflow_id,
        )
        if not await self.recorder.put(record):
            raise Lost

    async def _turn(self) -> bool:
        """Make one round of calls; False when there is nothing to call and nothing to wait for here."""
        now = self.clock()
        if self.deadline is not None and now >= self.deadline:
            self.execution.stop("timeout", "the run took longer than its workflow allows")
            return False
        ready = self.execution.ready(now)
        if ready:
            await self._read(self.execution.absent(ready))
        pure = [item for item in ready if item.node.step.pure]
        for item in pure:
            self.execution.begin(item, now)
            self.execution.settle(item, await calls.perform(self.execution, item, self.tools, now), self.clock())
        if pure:
            return True
        await self._launch(ready, now)
        if not self.tasks:
            return False
        await self._settle_next(now)
        return True

    async def _read(self, keys: list[str]) -> None:
        """Fetch outputs that are kept aside."""
        found = await self.recorder.read(self.execution.run.id, keys) if keys else {}
        for key, output in found.items():
            self.execution.rows[key].output = output

    async def _launch(self, ready: list[Ready], now: datetime) -> None:
        """Start calls that may leave something behind, once what earlier ones left is stored."""
        if ready and self.unsafe:
            await self.store("running")
            failpoint("step-continue")
        for item in ready:
            self.execution.begin(item, now)
            task = asyncio.create_task(calls.perform(self.execution, item, self.tools, now))
            self.tasks[task] = item

    async def _settle_next(self, now: datetime) -> None:
        wake = _earliest(self.execution.wake_at(), self.deadline)
        patience = None if wake is None else max(0.0, (wake - now).total_seconds())
        done, _ = await asyncio.wait(self.tasks, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            self.execution.settle(self.tasks.pop(task), task.result(), self.clock())
            self.unsafe = True
        if self.tasks and self.unsafe:
            await self.store("running")


def _stored(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in STORED}


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
