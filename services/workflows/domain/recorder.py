"""Group commit of runs' progress: whatever workers hand in while one commit is under way goes into the next."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from services.workflows.storage import approvals, asides, leases, records, runs
from services.workflows.storage.records import Record, Written
from shared import errors, log
from shared.database import Database, raw
from shared.testing.faults import failpoint

MOST = 200
MOST_TOLD = 20
LONGEST_PAUSE = 2.0

Told = Callable[[Sequence[Record]], Awaitable[None]]
_log = log.get(__name__)
_Entry = tuple[Record, "asyncio.Future[bool]"]


class Unstorable(Exception):
    """PostgreSQL refuses what a record holds, whichever transaction it comes in."""


class Recorder:
    """Writes records together and tells each writer whether its token held."""

    def __init__(self, database: Database, told: Told, shares: Callable[[UUID | None], bool] = lambda _: True) -> None:
        """`shares` tells whether an organisation's records may be committed together with others."""
        self._database = database
        self._told = told
        self._shares = shares
        self._pending: list[_Entry] = []
        self._flushing: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Future[None]] = set()
        self._alone: set[asyncio.Future[None]] = set()

    async def put(self, record: Record) -> bool:
        """Store one record; False when the lease was lost. An outage of the database is waited out."""
        entry: _Entry = (record, asyncio.get_running_loop().create_future())
        if not self._shares(record.organization_id):
            self._beside(self._write([entry]), self._alone)
            return await entry[1]
        self._pending.append(entry)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await entry[1]

    async def read(self, run_id: UUID, keys: Collection[str]) -> dict[str, Any]:
        """Outputs that were kept aside, by step; an outage of the database is waited out."""
        while True:
            try:
                async with self._database.system() as session:
                    return await asides.load(session, run_id, keys)
            except errors.Unavailable:
                await asyncio.sleep(LONGEST_PAUSE)

    async def _flush(self) -> None:
        await asyncio.sleep(0)  # lets what is ready in this turn of the loop come along
        while self._pending:
            batch, self._pending = self._pending[:MOST], self._pending[MOST:]
            await self._write(batch)

    async def _write(self, batch: list[_Entry]) -> None:
        pause = 0.05
        while True:
            try:
                written = await self._store([record for record, _ in batch])
                break
            except errors.Unavailable:
                _log.warning("progress-not-stored-yet", runs=len(batch))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception as problem:  # noqa: BLE001 - whatever it is, no writer may wait for ever
                await self._halve(batch, problem)
                return
        failpoint("result-after-commit")
        for record, waiter in batch:
            if not waiter.done():
                waiter.set_result(record.run_id in written.held)
        self._tell([record for record, _ in batch if record.run_id in written.held])
        if written.waiting:
            self._beside(self._wake(written.waiting), self._telling)

    async def _store(self, batch: list[Record]) -> Written:
        """One statement by itself; with runs that have failed, one transaction that ends what they leave behind."""
        if not any(record.status == "failed" for record in batch):
            async with self._database.statements() as connection:
                failpoint("result-before-commit")
                return await records.write(connection, batch, leases.LEASE_SECONDS)
        async with self._database.system() as session:
            written = await records.write(await raw(session), batch, leases.LEASE_SECONDS)
            for organization_id, failed in _failed(batch, written.held).items():
                await runs.close(session, organization_id, failed)
            failpoint("result-before-commit")
        return written

    def _tell(self, stored: list[Record]) -> None:
        """Let others know beside the work; when whoever carries the news is away, some of it is not told."""
        if stored and len(self._telling) < MOST_TOLD:
            self._beside(self._told(stored), self._telling)

    def _beside(self, work: Awaitable[None], tasks: set[asyncio.Future[None]]) -> None:
        """Do something that outlives whoever asked for it."""
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _wake(self, waiting: list[tuple[UUID, str]]) -> None:
        """Make the steps due that wait for runs which have ended; one that is missed looks again by itself."""
        failpoint("child-end-before-wake")
        for run_id, key in waiting:
            with contextlib.suppress(errors.Unavailable):
                async with self._database.system() as session:
                    await approvals.poke(session, run_id, key)

    async def _halve(self, batch: list[_Entry], problem: Exception) -> None:
        """Find the record that PostgreSQL refuses, so that the others are stored."""
        if len(batch) == 1:
            _log.error("progress-refused", run=str(batch[0][0].run_id), error=type(problem).__name__)
            if not batch[0][1].done():
                batch[0][1].set_exception(Unstorable())
            return
        middle = len(batch) // 2
        await self._write(batch[:middle])
        await self._write(batch[middle:])


def _failed(batch: list[Record], held: set[UUID]) -> dict[UUID, list[UUID]]:
    """The runs that have just failed, by organisation."""
    found: dict[UUID, list[UUID]] = {}
    for record in batch:
        if record.status == "failed" and record.organization_id is not None and record.run_id in held:
            found.setdefault(record.organization_id, []).append(record.run_id)
    return found
