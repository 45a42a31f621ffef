"""Long work: asked for by a request, done by a worker, however often workers die."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import jobs
from services.events.storage.tables import job
from shared import backlog, clock, errors, ids, log
from shared.database import Database
from shared.service import Service

HEARTBEAT_SECONDS = 3.0
SWEEP_SECONDS = 1.0
AT_ONCE = 2
MAX_ATTEMPTS = 20
KEEP = timedelta(days=30)

_log = log.get(__name__)


async def due(database: Database) -> dict[str, Any]:
    """How much long work waits for a worker, and for how long, for `/health/detailed`."""
    return await backlog.measure(database, job.c.due_at, job.c.finished_at.is_(None))


class LostLease(Exception):  # it is what happened
    """Another worker has taken the job over; this one must stop."""


@dataclass
class Work:
    """One attempt at a job."""

    service: Service
    job: Row[Any]

    @property
    def organization_id(self) -> UUID:
        """Whose job it is."""
        found: UUID = self.job.organization_id
        return found

    async def record(self, session: AsyncSession, **values: Any) -> None:
        """Stores progress in the caller's transaction; raises LostLease."""
        if not await jobs.record(session, self.job.id, self.job.token, values):
            raise LostLease


Task = Callable[[Work], Awaitable[None]]


async def start(
    session: AsyncSession,
    organization_id: UUID,
    kind: str,
    given: dict[str, Any],
    *,
    job_id: UUID | None = None,
    shared: bool = False,
) -> UUID:
    """Queues a job; a `shared` one that still waits serves everybody who asks for it."""
    waiting = await jobs.unfinished(session, organization_id, kind) if shared else None
    return waiting or await jobs.insert(session, organization_id, kind, given, job_id or ids.new())


async def get(session: AsyncSession, organization_id: UUID, job_id: UUID) -> dict[str, Any]:
    """A job as the API shows it; raises NotFound."""
    row = await jobs.find(session, organization_id, job_id)
    if row is None:
        raise errors.NotFound
    shown = ("id", "kind", "status", "accepted", "duplicates", "rejected", "error")
    return {name: getattr(row, name) for name in (*shown, "created_at", "started_at", "finished_at")}


class Desk:
    """Takes due jobs, a few at once; a loop of the worker."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = tasks
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Looks for due jobs now instead of at the next sweep."""
        self._woken.set()

    async def work(self, service: Service) -> None:
        """Works for ever."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._woken.clear()
                while len(running) < AT_ONCE and (job := await self._claim(service)) is not None:
                    running.add(asyncio.create_task(self._attempt(Work(service, job))))
                waiting = asyncio.create_task(self._woken.wait())
                await asyncio.wait({waiting, *running}, timeout=SWEEP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                running = {task for task in running if not task.done()}
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _claim(self, service: Service) -> Row[Any] | None:
        try:
            if not await jobs.any_due(service.database):
                return None
            async with service.database.system() as session:
                return await jobs.claim(session)
        except errors.Unavailable:
            return None

    async def _attempt(self, work: Work) -> None:
        job = work.job
        doing = asyncio.create_task(_do(self._tasks.get(job.kind, _unknown), work))
        keeping = asyncio.create_task(_keep(work))
        try:
            await asyncio.wait({doing, keeping}, return_when=asyncio.FIRST_COMPLETED)
            error = doing.exception() if doing.done() else LostLease()
            await _end(work, error)
        except asyncio.CancelledError:
            with contextlib.suppress(errors.FloyoError):
                await asyncio.shield(_give_back(work, 0))
            raise
        finally:
            for task in (doing, keeping):
                task.cancel()
            await asyncio.gather(doing, keeping, return_exceptions=True)


async def _do(task: Task, work: Work) -> None:
    await task(work)


async def _unknown(work: Work) -> None:
    raise errors.Invalid("unknown-job", f"Nobody here does {work.job.kind}.")


async def _keep(work: Work) -> None:
    """The heartbeat; returns when the lease is lost."""
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        with contextlib.suppress(errors.Unavailable):
            async with work.service.database.system() as session:
                if not await jobs.renew(session, work.job.id, work.job.token):
                    return


async def _end(work: Work, error: BaseException | None) -> None:
    if isinstance(error, LostLease):
        _log.warning("job-taken-over", job_id=work.job.id)
        return
    if isinstance(error, errors.Unavailable | ConnectionError | TimeoutError) and work.job.attempts < MAX_ATTEMPTS:
        with contextlib.suppress(errors.Unavailable):
            await _give_back(work, min(2 ** (work.job.attempts - 1), 60))
        return
    if error is not None and not isinstance(error, errors.FloyoError):
        _log.error("job-crashed", job_id=work.job.id, kind=work.job.kind, exc_info=error)
    values: dict[str, Any] = {"finished_at": clock.now(), "status": "succeeded" if error is None else "failed"}
    if error is None:
        values["input"] = {}  # whom it concerned may be the very thing to forget
    else:
        values["error"] = error.detail if isinstance(error, errors.FloyoError) else "Something went wrong here."
    with contextlib.suppress(errors.Unavailable):  # the lease ends, and another attempt stores it
        async with work.service.database.system() as session:
            await jobs.record(session, work.job.id, work.job.token, values)


async def _give_back(work: Work, delay: float) -> None:
    async with work.service.database.system() as session:
        await jobs.postpone(session, work.job.id, work.job.token, timedelta(seconds=delay))
