"""The engine of one worker: claims due runs into its slots, keeps their leases alive, gives them back when it stops.

PostgreSQL holds the truth. Whatever this process forgets, loses or dies with is due again when its lease ends; the
fencing token keeps what a slow process still writes from counting.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.workflows.domain import calls, plans
from services.workflows.domain.driver import Driver, Lost
from services.workflows.domain.execution import Execution
from services.workflows.domain.plan import Plan
from services.workflows.domain.recorder import Recorder, Unstorable
from services.workflows.domain.rows import Row, Run
from services.workflows.storage import leases
from services.workflows.storage.records import Record
from shared import errors, log, tracing
from shared.database import Database
from shared.testing.faults import failpoint

BATCH = 50
HEARTBEAT_SECONDS = 3.0
DRAIN_SECONDS = 15.0
MOST_TAKEOVERS = 100

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Active:
    """A run under way in this process."""

    run: Run
    task: "asyncio.Task[None]"


class Engine:
    """What one worker works on; `advance` may be called from anywhere, as often as anybody likes."""

    def __init__(
        self,
        database: Database,
        recorder: Recorder,
        tools: calls.Tools,
        *,
        heart: Database,
        owner: str,
        slots: int = 100,
        organization_slots: int = 60,
    ) -> None:
        self._database, self._recorder, self._tools = database, recorder, tools
        self._heart = heart
        self._owner, self._slots, self._organization_slots = owner, slots, organization_slots
        self._claiming = asyncio.Lock()
        self._hungry = False
        self._draining = False
        self._again: set[asyncio.Task[None]] = set()
        self.active: dict[UUID, Active] = {}

    async def advance(self) -> None:
        """Claim due runs until none is left or every slot is taken; returns without waiting for them to end."""
        async with self._claiming:
            while not self._draining:
                free = self._slots - len(self.active)
                self._hungry = free <= 0
                if free <= 0 or not await self._claim(free):
                    return

    async def inherit(self) -> None:
        """Let what this instance held when it died be due at once; other leases run out by themselves."""
        async with self._heart.system() as session:
            freed = await leases.inherit(session, self._owner)
        if freed:
            _log.info("leases-inherited", runs=freed)

    async def renew(self) -> None:
        """Renew every lease once; a run whose token is no longer ours is let go."""
        held = {identifier: active.run.token for identifier, active in self.active.items()}
        if not held:
            return
        async with self._heart.system() as session:
            kept = await leases.renew(session, held)
        for identifier in held.keys() - kept:
            active = self.active.get(identifier)
            if active is not None and active.run.token == held[identifier]:
                _log.info("lease-lost", run=str(identifier))
                active.task.cancel()

    async def drain(self) -> None:
        """Take no more, give what is under way a while to end, then hand the rest to other workers at once."""
        self._draining = True
        pending = [active.task for active in self.active.values()]
        if pending:
            await asyncio.wait(pending, timeout=DRAIN_SECONDS)
        held = {identifier: active.run.token for identifier, active in self.active.items()}
        for active in list(self.active.values()):
            active.task.cancel()
        if held:
            async with self._database.system() as session:
                await leases.release(session, held)

    def _share(self, free: int) -> tuple[int, int]:
        """How many runs to claim at once, and how many one organisation may have under way.

        The room of each shrinks with what is free, so that however many fill theirs, something stays free for the next:
        alone one gets as far as `organization_slots`, of two each gets less.
        """
        most, spare = self._organization_slots, self._slots - self._organization_slots
        if spare <= 0:
            return min(free, BATCH), most
        return min(max(1, free * most // self._slots), BATCH), min(max(1, free * most // spare), most)

    async def _claim(self, free: int) -> bool:
        """Begin what is due, as far as there is room; False when nothing more is."""
        begun = Counter(active.run.organization_id for active in self.active.values())
        most, room = self._share(free)
        self._hungry = self._hungry or max(begun.values(), default=0) >= room
        async with self._database.statements() as connection:
            claimed = await leases.claim(connection, self._owner, most, begun, room)
            moment = time.monotonic()
            if claimed:
                failpoint("claim-before-read")
            known = [row["id"] for row in claimed if row["lease_token"] > 1]
            steps = await leases.steps(connection, known) if known else []
            found = await plans.find(connection, {(row["workflow_id"], row["version"]) for row in claimed})
        if claimed:
            failpoint("claim-after-commit")
        rows: dict[UUID, dict[str, Row]] = {}
        for step in steps:
            rows.setdefault(step["run_id"], {})[step["key"]] = _row(step)
        for row in claimed:
            self._begin(row, rows.get(row["id"], {}), found.get((row["workflow_id"], row["version"]), ""), moment)
        taken = Counter(row["organization_id"] for row in claimed)
        return any(count >= min(int(claimed[0]["share"]), room - begun[place]) for place, count in taken.items())

    def _begin(self, claimed: Any, rows: dict[str, Row], definition: Plan | str, moment: float) -> None:
        run = _run(claimed)
        task = asyncio.create_task(self._work(run, claimed, rows, definition, moment))
        self.active[run.id] = Active(run, task)
        task.add_done_callback(lambda _: self._end(run))

    def _end(self, run: Run) -> None:
        active = self.active.get(run.id)
        if active is not None and active.run.token == run.token:
            del self.active[run.id]
        if self._hungry and not self._draining and not self._again:
            again = asyncio.create_task(self.advance())
            self._again.add(again)
            again.add_done_callback(self._again.discard)

    async def _work(self, run: Run, claimed: Any, rows: dict[str, Row], definition: Plan | str, moment: float) -> None:
        tracing.resume(run.trace_id)
        try:
            if claimed["takeovers"] > MOST_TAKEOVERS:
                await self._give_up(run, "worker-lost", f"the run outlived {MOST_TAKEOVERS} workers")
                return
            driver = Driver(
                Execution(run, plans.compiled((run.workflow_id, run.version), definition), rows),
                self._recorder,
                self._tools,
                clock=_clock(claimed["claimed_at"], moment),
            )
            await driver.drive()
        except Lost:
            _log.info("progress-refused-by-token", run=str(run.id), token=run.token)
        except errors.Invalid as problem:
            await self._give_up(run, "invalid-workflow", problem.detail)
        except Unstorable:
            await self._give_up(run, "output-invalid", "a step's output cannot be stored")
        except Exception as problem:  # noqa: BLE001 - a fault in one run ends that run, never the worker
            _log.error("run-crashed", run=str(run.id), exc_info=problem)
            await self._give_up(run, "internal", "the run failed unexpectedly")

    async def _give_up(self, run: Run, kind: str, detail: str) -> None:
        error = {"type": kind, "detail": detail, "step": None}
        await self._recorder.put(
            Record(run.id, run.token, "failed", error=error, organization_id=run.organization_id,
                   workflow_id=run.workflow_id)
        )  # fmt: skip


def _clock(at: datetime, moment: float) -> Callable[[], datetime]:
    """The database's time, carried on by this machine's monotonic clock."""
    return lambda: at + timedelta(seconds=time.monotonic() - moment)


def _run(row: Mapping[str, Any]) -> Run:
    return Run(
        id=row["id"],
        organization_id=row["organization_id"],
        workflow_id=row["workflow_id"],
        version=row["version"],
        token=row["lease_token"],
        dry_run=row["dry_run"],
        depth=row["depth"],
        trace_id=row["trace_id"],
        trigger=row["trigger"],
        event=row["event"],
        input=row["input"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        signals=row["signals"],
    )


def _row(step: Mapping[str, Any]) -> Row:
    return Row(**{name: value for name, value in step.items() if name != "run_id"})
