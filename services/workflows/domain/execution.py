"""One run in memory: which steps may go, what an outcome means, and when the run has ended. No I/O at all.

The engine asks `ready`, performs what it is given, and hands each outcome to `settle`. Everything that must survive
a worker is in the rows, so that another worker rebuilds the same state from them.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.workflows.domain import places
from services.workflows.domain.definition import Goto
from services.workflows.domain.plan import Node, Plan
from services.workflows.domain.rows import ASIDE, ENDED, Place, Ready, Row, Run, last, weigh, write_branch
from services.workflows.step import Done, Failed, Outcome, Retry, Waiting

MOST_ROWS = 10_000
# How long a fault of the platform itself is waited out, and how soon a step is called again meanwhile.
PATIENCE = timedelta(hours=1)
FIRST_PAUSE, LAST_PAUSE = 0.5, 15.0


@dataclass(slots=True)
class Execution:
    """The state of one run between calls of its steps."""

    run: Run
    plan: Plan
    rows: dict[str, Row]
    busy: set[str] = field(default_factory=set)
    dirty: set[str] = field(default_factory=set)
    error: dict[str, Any] | None = None
    given: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """What expressions see of the run itself stays the same."""
        run = self.run
        self.given = {
            "trigger": run.trigger,
            "event": run.event,
            "input": run.input,
            "run": {"id": str(run.id), "workflow_id": str(run.workflow_id), "dry_run": run.dry_run,
                    "created_at": run.created_at.isoformat(), "trace_id": run.trace_id},
        }  # fmt: skip

    def ready(self, now: datetime) -> list[Ready]:
        """Settle what needs no call, and answer the steps that may be called now."""
        while True:
            found, settled = self._survey(now)
            if not settled:
                return found if self.error is None else []

    def names(self, place: Place) -> dict[str, Any]:
        """What expressions see at a place."""
        return {**self.given, "steps": self._steps(place), **place.names}

    def begin(self, ready: Ready, now: datetime) -> None:
        """Note that a step is being called."""
        self.busy.add(ready.key)
        ready.row.started_at = ready.row.started_at or now
        self.rows[ready.key] = ready.row

    def settle(self, ready: Ready, outcome: Outcome | None, now: datetime) -> None:
        """Write an outcome into the step's row; None is a step whose condition does not hold."""
        row = ready.row
        self.busy.discard(ready.key)
        self._touch(row)
        row.due_at = None
        if row.status in ENDED:  # the step around it ended while it was being called
            return
        match outcome:
            case None:
                row.status, row.finished_at = "skipped", now
            case Done(output, skip):
                self._succeed(ready, output, skip, now)
            case Failed(kind, detail):
                row.attempts += 1
                self._fail(ready, kind, detail, now)
            case Retry():
                self._retry(ready, outcome, now)
            case Waiting(until, state, branches, limit):
                row.status, row.due_at = "waiting", until
                row.state = {"kept": state, "limit": limit, "branches": [write_branch(branch) for branch in branches]}

    def wake_at(self) -> datetime | None:
        """The earliest moment at which a waiting step is to be called again."""
        moments = [row.due_at for row in self.rows.values() if row.status == "waiting" and row.due_at]
        return min(moments, default=None)

    def is_waiting(self) -> bool:
        """Whether the run has not ended but nothing in it can go on now."""
        return self.error is None and any(row.status == "waiting" for row in self.rows.values())

    def last(self) -> Row | None:
        """The last step written that succeeded: its output is the run's."""
        return last(self.rows, "", self.plan.root)

    def output(self) -> Any:
        """The run's output."""
        final = self.last()
        return final.output if final else None

    def absent(self, ready: Sequence[Ready] = ()) -> list[str]:
        """The steps whose outputs are aside and wanted: by those that are ready, or by the branches at work."""
        if not any(row.is_absent for row in self.rows.values()):
            return []
        if not ready:
            return [row.key for row in self.rows.values() if row.is_absent and "[" in row.key]
        prefixes = {item.place.prefix for item in ready if item.node.looks_back}
        return [row.key for row in self.rows.values() if row.is_absent and any(
            prefix.startswith(row.key.removesuffix(row.step_id)) for prefix in prefixes)]  # fmt: skip

    def stop(self, kind: str, detail: str, step: str | None = None) -> None:
        """End the run as failed; what waits in it waits no longer once `close` is called."""
        self.error = self.error or {"type": kind, "detail": detail, "step": step}

    def close(self, now: datetime) -> None:
        """Leave nothing of a run that has failed waiting."""
        for row in self.rows.values():
            if row.status not in ENDED and row.key not in self.busy:
                self._cancel(row, now)

    def _touch(self, row: Row) -> None:
        self.rows[row.key] = row
        self.dirty.add(row.key)

    def _succeed(self, ready: Ready, output: Any, skip: tuple[str, ...], now: datetime) -> None:
        row = ready.row
        row.attempts += 1
        size, fault = weigh(output)
        if fault is not None:
            self._fail(ready, *fault, now)
            return
        row.status, row.output, row.error, row.finished_at, row.state = "succeeded", output, None, now, None
        row.aside = size if size > ASIDE else None
        for name in skip:
            self._skip(ready.place, ready.place.scope.nodes[name], now)

    def _retry(self, ready: Ready, outcome: Retry, now: datetime) -> None:
        row, policy = ready.row, ready.node.definition.retry
        if not outcome.counts and self._is_patient(row, outcome, now):
            return
        row.attempts += 1
        if row.attempts >= policy.attempts:
            self._fail(ready, outcome.type, outcome.detail, now)
            return
        delay = policy.delay(row.attempts) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, keeps no secret
        row.status, row.due_at = "waiting", now + timedelta(seconds=max(delay, outcome.after))
        row.error = {"type": outcome.type, "detail": outcome.detail}

    def _is_patient(self, row: Row, outcome: Retry, now: datetime) -> bool:
        """Wait out a fault of the platform's own, at no cost to the step's attempts; False after an hour of it."""
        kept = row.state or {"kept": None, "limit": 1, "branches": []}
        away = now - datetime.fromisoformat(kept.get("away", now.isoformat()))
        if away > PATIENCE:
            return False
        pause = min(max(away.total_seconds(), FIRST_PAUSE), LAST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311 - as above
        row.state = {"away": now.isoformat(), **kept}
        row.status, row.due_at = "waiting", now + timedelta(seconds=max(pause, outcome.after))
        row.error = {"type": outcome.type, "detail": outcome.detail}
        return True

    def _fail(self, ready: Ready, kind: str, detail: str, now: datetime) -> None:
        row = ready.row
        row.status, row.error, row.finished_at = "failed", {"type": kind, "detail": detail[:2_000]}, now
        row.state = None
        self._touch(row)
        self._leave(row.key, now)
        handling = ready.node.definition.on_error
        if handling == "fail" and ready.place.above is None:
            self.stop(kind, detail[:2_000], row.key)
        elif isinstance(handling, Goto):
            for name in places.between(ready.place, ready.node.id, handling.goto):
                self._skip(ready.place, ready.place.scope.nodes[name], now)

    def _skip(self, place: Place, node: Node, now: datetime) -> None:
        key = place.prefix + node.id
        if key not in self.rows:
            self._touch(Row(key, node.id, node.step.type, status="skipped", finished_at=now))

    def _survey(self, now: datetime) -> tuple[list[Ready], bool]:
        """Look over every place once; True when a row changed without a call, so that it pays to look again."""
        found: list[Ready] = []
        for place in list(places.every(self.plan, self.rows)):
            for name, node in place.scope.nodes.items():
                key = place.prefix + name
                row = self.rows.get(key)
                if row is None:
                    verdict = self._verdict(place, node)
                    if verdict == "skip":
                        self._skip(place, node, now)
                        return [], True
                    if verdict == "go":
                        found.append(Ready(key, node, place, Row(key, name, node.step.type)))
                elif row.status not in ENDED and self._is_due(row, now):
                    if self._close_branches(place, node, row, now):
                        return [], True
                    if not (row.state and row.state["branches"]):
                        found.append(Ready(row.key, node, place, row))
        if len(self.rows) + len(found) > MOST_ROWS:
            self.stop("limit-exceeded", f"a run has at most {MOST_ROWS} steps")
        return found, False

    def _is_due(self, row: Row, now: datetime) -> bool:
        if row.key in self.busy:
            return False
        branches = bool(row.state and row.state.get("branches"))
        return row.status != "waiting" or branches or row.due_at is None or row.due_at <= now

    def _verdict(self, place: Place, node: Node) -> str:
        """Tell whether a step that has no row yet goes, waits or is skipped."""
        for name in (*node.needs, *node.choosers, *node.catches):
            row = self.rows.get(place.prefix + name)
            if row is None or not places.lets_pass(row, place):
                return "wait"
        choosers = [self.rows[place.prefix + name].status for name in node.choosers]
        if any(self.rows[place.prefix + name].status == "failed" for name in node.catches):
            return "go"
        if choosers and all(status == "skipped" for status in choosers):
            return "skip"
        if node.explicit and node.needs:
            statuses = {self.rows[place.prefix + name].status for name in node.needs}
            return "skip" if statuses == {"skipped"} else "go"
        return "go"

    def _close_branches(self, place: Place, node: Node, row: Row, now: datetime) -> bool:
        """End a step whose branches have ended; True when it did."""
        if not (row.state and row.state.get("branches")):
            return False
        outputs = []
        for inside in places.inner(place, node, row):
            ended = places.ended(self.rows, inside)
            if ended == "failed":
                row.attempts += 1
                self._fail(Ready(row.key, node, place, row), *places.reason(self.rows, inside), now)
                return True
            if ended is None:
                return False
            final = last(self.rows, inside.prefix, inside.scope)
            outputs.append(final.output if final else None)
        self._succeed(Ready(row.key, node, place, row), outputs, (), now)
        self._touch(row)
        return True

    def _leave(self, key: str, now: datetime) -> None:
        """Give up whatever inside a step has not ended when the step itself has."""
        for row in self.rows.values():
            if row.key.startswith(f"{key}[") and row.status not in ENDED:
                self._cancel(row, now)

    def _cancel(self, row: Row, now: datetime) -> None:
        row.status, row.due_at, row.state, row.finished_at = "cancelled", None, None, now
        self._touch(row)

    def _steps(self, place: Place | None) -> dict[str, Any]:
        if place is None:
            return {}
        seen = self._steps(place.above)
        for name in place.scope.nodes:
            row = self.rows.get(place.prefix + name)
            if row is not None and row.status in ENDED:
                seen[name] = {"status": row.status, "output": row.output, "error": row.error}
        return seen
