"""Group commit: what arrives while a transaction is under way goes into the next one together, as durable as alone."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from asyncpg import PostgresError
from sqlalchemy.exc import DBAPIError

from shared import errors, log
from shared.service import Service

Item = TypeVar("Item")
Result = TypeVar("Result")

WRITERS = 2
PATIENCE = 0.03
LARGEST = 2_000
DEADLOCK_RETRIES = 3
# Classes of SQLSTATE that one item can be guilty of: data exception, constraint, program limit.
_GUILTY = ("22", "23", "54")
_DEADLOCK = "40P01"

_log = log.get(__name__)


@dataclass(slots=True)
class _Entry:
    items: Sequence[Any]
    done: "asyncio.Future[list[Any]]"


class GroupCommit(Generic[Item, Result]):
    """Collects items of many callers and writes them in sorted groups; `write` is one committed transaction.

    Groups follow one another. A transaction costs as much as some twenty rows, so that a crowd is better served by few
    large ones: when fewer than `enough` callers are waiting at the end of a group of several, the next one begins only
    after as long as that took. Who comes alone waits for nobody. Beside a group that is held up for longer than
    PATIENCE another begins.
    Sorting makes overlapping groups wait for each other instead of deadlocking. A group that the database refuses for
    its content is halved until the bad item stands alone and fails alone.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        key: Callable[[Item], Any],
        capacity: int,
        *,
        enough: int = 0,
        writers: int = WRITERS,
    ) -> None:
        self._writers = writers
        self._write = write
        self._key = key
        self._capacity = capacity
        self._enough = enough
        self._next_at = 0.0
        self._waiting: deque[_Entry] = deque()
        self._woken = asyncio.Event()
        self.size = 0

    async def submit(self, items: Sequence[Item]) -> list[Result | errors.FloyoError]:
        """What became of each item once its group is committed; raises Unavailable when too much is waiting."""
        return await self.enter(items) if items else []

    def enter(self, items: Sequence[Item]) -> "asyncio.Future[list[Result | errors.FloyoError]]":
        """As `submit` of one item or more, to be awaited without a coroutine in between."""
        self.check_room(len(items))
        entry = _Entry(items, asyncio.get_running_loop().create_future())
        self.size += len(items)
        self._waiting.append(entry)
        self._woken.set()
        return entry.done

    def check_room(self, count: int) -> None:
        """Raises Unavailable when too much is waiting for so many more."""
        if self.size and self.size + count > self._capacity:
            raise errors.Unavailable("overloaded", "Too much is waiting to be stored; try again in a moment.")

    async def run(self, _service: Service) -> None:
        """A loop: a few writers, each with one group under way."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._writers):
                group.create_task(self._work())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._waiting:
                self._woken.clear()
                await self._woken.wait()
            if await self._is_early():
                continue
            began, entries = loop.time(), self._take()
            try:
                await self._commit(entries)
            finally:
                gathers = len(entries) > 1 and len(self._waiting) < self._enough
                self._next_at = loop.time() + min(loop.time() - began, PATIENCE) if gathers else 0.0
                self.size -= sum(len(entry.items) for entry in entries)
                for entry in entries:
                    entry.done.cancel()  # only what has no answer: the process is ending

    async def _is_early(self) -> bool:
        """Whether another group is under way or gathers; then some of that time has passed on return."""
        now = asyncio.get_running_loop().time()
        if now < self._next_at:
            await asyncio.sleep(self._next_at - now)
            return True
        self._next_at = now + PATIENCE
        return False

    def _take(self) -> list[_Entry]:
        entries = [self._waiting.popleft()]
        size = len(entries[0].items)
        while self._waiting and size + len(self._waiting[0].items) <= LARGEST:
            entries.append(self._waiting.popleft())
            size += len(entries[-1].items)
        return entries

    async def _commit(self, entries: list[_Entry]) -> None:
        numbered = [(self._key(item), place, item) for place, item in enumerate(_items(entries))]
        numbered.sort()  # no two have the same place, so that items are never compared
        results: list[Any] = [None] * len(numbered)
        try:
            written = await self._try([item for _, _, item in numbered])
            for (_, place, _), result in zip(numbered, written, strict=True):
                results[place] = result
        except errors.FloyoError as error:
            results = [error] * len(numbered)
        except Exception as error:  # noqa: BLE001  # whatever it was, every caller must hear of it
            _log.exception("group-failed", error=repr(error))
            results = [errors.FloyoError("internal", "Something went wrong here.")] * len(numbered)
        place = 0
        for entry in entries:
            if not entry.done.done():
                entry.done.set_result(results[place : place + len(entry.items)])
            place += len(entry.items)

    async def _try(self, items: Sequence[Item], retries: int = DEADLOCK_RETRIES) -> list[Result | errors.FloyoError]:
        try:
            return list(await self._write(items))
        except errors.Unavailable as error:
            if retries and _state(error.__cause__) == _DEADLOCK:
                return await self._try(items, retries - 1)
            raise
        except (DBAPIError, PostgresError) as error:
            if not _state(error).startswith(_GUILTY):
                raise
            if len(items) == 1:
                return [errors.Invalid("unstorable", "The database cannot store this.")]
        half = len(items) // 2
        return [*await self._try(items[:half]), *await self._try(items[half:])]


def _items(entries: list[_Entry]) -> list[Any]:
    return [item for entry in entries for item in entry.items]


def _state(error: BaseException | None) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")
