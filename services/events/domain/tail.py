"""Reading the event log to its end and beyond: woken by hints, sweeping every second without them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import positions
from services.events.domain.positions import Position
from services.events.storage import cursors, log
from shared import errors
from shared import log as logs
from shared.backlog import LATE_SECONDS
from shared.database import Database
from shared.service import Service

SWEEP_SECONDS = 1.0
RENEW_SECONDS = 3.0
VAIN_SECONDS = 0.1
NOTE_SECONDS = 1.0
IDLE_SECONDS = 0.5
FIRST_LOOK_SECONDS = 0.002
FAILURE_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)

Rows = Sequence[Row[Any]]


class Stretch(NamedTuple):
    """How far a consumer may move on, what it reads on the way, and whether there may be more behind."""

    upto: Position
    rows: Rows
    more: bool


_log = logs.get(__name__)


class Waker:
    """Wakes one reader; remembers the furthest position that it was told of."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._hint = positions.START
        self._looks = 0

    def hear(self, message: bytes | None) -> None:
        """An ear for `Signals`."""
        if message:
            try:
                self._hint = max(self._hint, positions.parse(message.decode("ascii", "replace")))
            except errors.Invalid:
                _log.info("hint-unreadable")
        self._looks = 0
        self._woken.set()

    async def wait(self, seen: Position) -> None:
        """Returns when there may be more: after a hint, soon while what it told of is not yet visible, or a second."""
        delay = SWEEP_SECONDS
        if self._hint > seen and self._looks < 10:
            delay = FIRST_LOOK_SECONDS * 2**self._looks
            self._looks += 1
        try:
            await asyncio.wait_for(self._woken.wait(), delay)
        except TimeoutError:
            return
        self._woken.clear()


@dataclass
class Consumer:
    """A durable reader of the log, a stretch of at most `batch` events at a time.

    `act` gets what `read` finds in the stretch, with no transaction open; where that is `most` the stretch ends.
    `store` counts the stretch in the transaction that moves the cursor. `idle` is done now and then between stretches.
    """

    name: str
    waker: Waker
    batch: int
    most: int = 0
    read: Callable[[AsyncSession, Position, Position, int], Awaitable[Rows]] | None = None
    act: Callable[[Service, Rows], Awaitable[None]] | None = None
    store: Callable[[AsyncSession, Position, Position], Awaitable[None]] | None = None
    idle: Callable[[Service], Awaitable[None]] | None = None

    async def run(self, service: Service) -> None:
        """A loop: takes the cursor's lease when it is free, then follows the log."""
        failures = 0
        while True:
            try:
                async with service.database.system() as session:
                    lease = await cursors.take(session, self.name)
                if lease is not None:
                    await self._follow(service, *lease)
                failures = 0
            except errors.FloyoError as error:
                _log.warning("consumer-paused", consumer=self.name, problem=error.slug)
                failures = min(failures + 1, len(FAILURE_SECONDS))
            await asyncio.sleep(FAILURE_SECONDS[failures - 1] if failures else SWEEP_SECONDS)

    async def _follow(self, service: Service, token: int, position: Position) -> None:
        loop = asyncio.get_running_loop()
        moved_at = loop.time()
        idle_at = 0.0
        found = True
        try:
            while True:
                if self.idle is not None and loop.time() >= idle_at:
                    await self.idle(service)
                    idle_at = loop.time() + IDLE_SECONDS
                looked_at = loop.time()
                stretch = Stretch(position, (), more=False)
                if found or await log.is_beyond(service.database, position):
                    stretch = await self._look(service.database, position)
                found = stretch.upto > position
                if stretch.rows and self.act is not None:
                    await self.act(service, stretch.rows)
                if self._must_commit(stretch, stretch.upto > position, loop.time() - moved_at):
                    if not await self._commit(service.database, token, position, stretch.upto):
                        return
                    moved_at = loop.time()
                position = stretch.upto
                if not stretch.more:
                    if not stretch.rows:  # whoever finds nothing for itself need not look at each wake-up
                        await asyncio.sleep(looked_at + VAIN_SECONDS - loop.time())
                    await self.waker.wait(position)
        except (errors.FloyoError, asyncio.CancelledError):
            await asyncio.shield(self._release(service.database, token))
            raise

    def _must_commit(self, stretch: Stretch, moves: bool, seconds: float) -> bool:
        """At once when something was done; what was passed over in vain may be passed over again after a crash."""
        if stretch.rows or (moves and self.store is not None):
            return True
        return seconds > (NOTE_SECONDS if moves else RENEW_SECONDS)

    async def _look(self, database: Database, position: Position) -> Stretch:
        async with database.system() as session:
            await log.read_in_order(session)
            upto, more = await log.reach(session, position, self.batch)
            rows = await self.read(session, position, upto, self.most) if upto > position and self.read else ()
        if rows and len(rows) == self.most:
            return Stretch(place(rows[-1]), rows, more=True)
        return Stretch(upto, rows, more)

    async def _commit(self, database: Database, token: int, position: Position, upto: Position) -> bool:
        if self.store is None or upto == position:
            return await cursors.move_alone(database, self.name, token, upto)
        async with database.system() as session:
            ours = await cursors.move(session, self.name, token, upto)
            if ours:
                await self.store(session, position, upto)
            return ours

    async def _release(self, database: Database, token: int) -> None:
        try:
            async with database.system() as session:
                await cursors.release(session, self.name, token)
        except errors.FloyoError:
            return  # the lease runs out by itself


async def describe(database: Database) -> dict[str, Any]:
    """{status, seconds_behind: {consumer: seconds}, held_by} for `/health/detailed`; `late` beyond LATE_SECONDS.

    `held_by` is the oldest writing transaction of the cluster, in whichever database: no tail reads past it.
    """
    behind: dict[str, float] = {}
    async with database.system() as session:
        holder = await cursors.holder(session)
        for consumer, position in (await cursors.standings(session)).items():
            behind[consumer] = round(await cursors.seconds_behind(session, position), 1)
    late = max(behind.values(), default=0.0) > LATE_SECONDS
    return {"status": "late" if late else "ok", "seconds_behind": behind, "held_by": holder}


def place(row: Row[Any]) -> Position:
    """Where a row stands."""
    return Position(row.epoch, row.xid, row.sequence)
