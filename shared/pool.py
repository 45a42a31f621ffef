"""Connections of one role to PostgreSQL, given out in the order of asking; faults turned into 503."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from asyncpg import exceptions
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared import errors, tracing
from shared.testing import faults

POOL_TIMEOUT = 2.0
CONNECT_TIMEOUT = 2.0
COMMAND_TIMEOUT = 10.0
# So many may wait for each connection; whoever comes then is told at once, not after two seconds in vain.
WAITING_EACH = 20
SLOW_SECONDS = 0.02
STARVED_MEMORY = 1.0
_PLENTY = nullcontext()

# Classes of SQLSTATE that say "the server, not the statement": connection, resources, operator, system, and conflicts.
_TRANSIENT = re.compile(r"^(08|53|57|58|40|25006|55P03|25P0[234])")
_FAULTS = (
    PoolTimeout, exceptions.InterfaceError, exceptions.InternalClientError, ConnectionError, TimeoutError,
)  # fmt: skip


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg tells no types
    """Begins each transaction with the organisation whose rows it may see, in one message instead of two."""

    organization: UUID | None = None

    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        """One statement, or several without arguments, as asyncpg's own; answers the status of the last."""
        if self.organization is not None and query.startswith("BEGIN"):
            query += f" SELECT set_config('floyo.organization', '{self.organization.hex}', true);"
        return await super().execute(query, *args, **options)


class Pool:
    """The connections of one role, and how long somebody has been waiting for one in vain."""

    def __init__(self, url: str, size: int, instance: str) -> None:
        self.engine = _engine(url, size, instance)
        self._pool: Any = self.engine.pool
        self._room = WAITING_EACH * size
        self._turns = asyncio.Semaphore(size)
        self._used = 0
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.waiting = 0
        self.failing = False
        self._kept: list[tuple[AsyncConnection, Any]] = []
        self._starving_since: float | None = None
        self._asked_at = 0.0
        event.listen(self.engine.sync_engine, "checkin", self._feed)

    async def open(self) -> None:
        """Has a connection ready, if the server is there."""
        with suppress(errors.Unavailable):
            async with self.statements():
                pass

    @asynccontextmanager
    async def transaction(self, organization_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        """Commits on leaving, rolls back on error; raises Unavailable when the database is at fault.

        It sees one organisation's rows, or what the role sees without any. When nobody waits for it any more it is
        given up, but for its commit.
        """
        with translated():
            async with _clock() as clock, self._turn(), self._sessions() as session:
                connection = await self._connect(session.connection)
                connection.sync_connection.connection.driver_connection.organization = organization_id
                if faults.active("slow-transactions"):
                    await asyncio.sleep(SLOW_SECONDS)
                yield session
                if clock is not None:
                    clock.reschedule(None)
                await session.commit()

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[Any]:
        """asyncpg's own connection: each statement is committed by itself when it returns."""
        with translated():
            async with _clock(), self._turn():
                link, raw = await self._take()
                try:
                    yield raw
                except BaseException as error:
                    if is_transient(error) or not isinstance(error, exceptions.PostgresError):
                        await link.invalidate()  # it may be closing, though nobody has told it yet
                    raise
                finally:
                    await self._give_back(link, raw)

    @property
    def checked_out(self) -> int:
        """Connections in use."""
        return int(self._pool.checkedout()) - len(self._kept)

    @property
    def size(self) -> int:
        """How many there may be."""
        return int(self._pool.size())

    async def close(self) -> None:
        """Closes every connection."""
        while self._kept:
            await self._release()
        await self.engine.dispose()

    def starved_for(self) -> float:
        """Seconds during which somebody waited and no connection came back; 0 once nobody asks any more."""
        now = time.monotonic()
        if self._starving_since is None or (not self.waiting and now - self._asked_at > STARVED_MEMORY):
            return 0.0
        return now - self._starving_since

    def admit(self) -> None:
        """Raises Unavailable `overloaded` while so many wait for a connection that nobody more may."""
        if self.waiting >= self._room and not faults.active("no-admission-bound"):
            raise errors.Unavailable("overloaded", "Too much is waiting for the database; try again in a moment.")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Room for one connection, in the order of asking: the pool's own queue lets newcomers pass those who wait."""
        if self._turns.locked():
            self.admit()
            with self._asking():
                async with asyncio.timeout(POOL_TIMEOUT):
                    await self._turns.acquire()
        else:
            await self._turns.acquire()
        self._used += 1
        try:
            yield
        finally:
            self._used -= 1
            self._turns.release()

    async def _take(self) -> tuple[AsyncConnection, Any]:
        while self._kept:
            link, raw = self._kept.pop()
            if not raw.is_closed():
                return link, raw
            await link.invalidate()
            await link.close()
        link = self.engine.connect()
        await self._connect(link.start)
        return link, (await link.get_raw_connection()).driver_connection

    async def _give_back(self, link: AsyncConnection, raw: Any) -> None:
        """Kept for the next statement, as a way through the pool costs half of what a statement does."""
        if link.invalidated:
            await link.close()
        else:
            self._kept.append((link, raw))
            self._feed()

    async def _release(self) -> None:
        link, _ = self._kept.pop()
        await link.close()

    async def _connect(self, connect: Callable[[], Awaitable[Any]]) -> Any:
        with self._asking():
            try:
                while self._kept and self._used + len(self._kept) > self.size:
                    await self._release()
                connected = await connect()
            except Exception as error:
                self.failing = is_transient(error) and not isinstance(error, PoolTimeout)
                raise
        self._feed()
        self.failing = False
        return connected

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if self.starved_for() == 0.0:
            self._starving_since = time.monotonic()
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1
            self._asked_at = time.monotonic()

    def _feed(self, *_connection: object) -> None:
        self._starving_since = None


def _clock() -> AbstractAsyncContextManager[asyncio.Timeout | None]:
    """Bounds what is inside by the time for which somebody waits; as long as there is plenty, other bounds do."""
    left = tracing.remaining()
    if left <= 0:
        raise TimeoutError
    return _PLENTY if left >= POOL_TIMEOUT + COMMAND_TIMEOUT else asyncio.timeout(left)


def _engine(url: str, pool_size: int, instance: str) -> AsyncEngine:
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_use_lifo=True,
        hide_parameters=True,  # what people store does not belong in logs
        json_deserializer=orjson.loads,  # 1e30 comes back with all its zeros, which is no integer that we could write
        connect_args={
            "connection_class": _Connection,
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": COMMAND_TIMEOUT,
            "server_settings": {"application_name": instance},
        },
    )


class translated:  # noqa: N801  # reads as a statement: `with translated():`
    """Turns faults of the pool, the connection and the server into Unavailable; other errors pass."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, TimeoutError) and tracing.remaining() <= 0:
            raise errors.Unavailable("deadline-exceeded", "Nobody waits for this any more.") from error
        if error is not None and is_transient(error):
            raise errors.Unavailable(
                "database-unavailable", "The database cannot answer now; nothing was changed."
            ) from error


def is_transient(error: BaseException) -> bool:
    """Whether the database, not the statement, is at fault."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        return (
            isinstance(error, InterfaceError) or error.connection_invalidated or bool(_TRANSIENT.match(state or "08"))
        )
    if isinstance(error, exceptions.PostgresError):
        return bool(_TRANSIENT.match(error.sqlstate or ""))
    return isinstance(error, _FAULTS)
