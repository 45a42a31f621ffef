"""PostgreSQL: two pools a process, sessions that commit before anybody is answered, faults turned into 503."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import sqlalchemy
from asyncpg import exceptions
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared import errors
from shared.testing import faults

POOL_TIMEOUT = 2.0
CONNECT_TIMEOUT = 2.0
COMMAND_TIMEOUT = 10.0
PROBE_TIMEOUT = 1.0
# So many may wait for each connection; whoever comes then is told at once, not after two seconds in vain.
WAITING_EACH = 20
# Connections that statements leave open for the next ones: a way through the pool costs half of what a statement does.
KEPT = 2
SLOW_SECONDS = 0.02
STARVED_MEMORY = 1.0

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
# Classes of SQLSTATE that say "the server, not the statement": connection, resources, operator, system, and conflicts.
# InternalClientError: the server has said on this connection that it ends, and the end has not come yet.
_Broken = exceptions.InterfaceError | exceptions.InternalClientError
_TRANSIENT = re.compile(r"^(08|53|57|58|40|25006|55P03|25P0[234])")


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What a process's pools hold at one moment."""

    size: int
    checked_out: int
    waiting: int


def metadata() -> sqlalchemy.MetaData:
    """An empty schema whose constraints are named by rule, so that every migration can drop them."""
    return sqlalchemy.MetaData(naming_convention=_NAMING)


class Pool:
    """The connections of one role, and how long somebody has been waiting for one in vain."""

    def __init__(self, url: str, size: int, instance: str) -> None:
        self.engine = _engine(url, size, instance)
        self._pool: Any = self.engine.pool
        self._room = WAITING_EACH * size
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.waiting = 0
        self.failing = False
        self._kept: list[tuple[AsyncConnection, Any]] = []
        self._starving_since: float | None = None
        self._asked_at = 0.0
        event.listen(self.engine.sync_engine, "checkin", self._feed)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commits on leaving, rolls back on error; raises Unavailable when the database is at fault."""
        with translated():
            async with self._sessions() as session:
                await self._connect(session.connection)
                if faults.active("slow-transactions"):
                    await asyncio.sleep(SLOW_SECONDS)
                yield session
                await session.commit()

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[Any]:
        """asyncpg's own connection: each statement is committed by itself when it returns."""
        with translated():
            link, raw = await self._take()
            try:
                yield raw
            except BaseException as error:
                if raw.is_closed() or not isinstance(error, exceptions.PostgresError):
                    await link.invalidate()
                raise
            finally:
                if link.invalidated or self.waiting or len(self._kept) >= KEPT:
                    await link.close()
                else:
                    self._kept.append((link, raw))

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

    async def _release(self) -> None:
        link, _ = self._kept.pop()
        await link.close()

    async def _connect(self, connect: Callable[[], Awaitable[Any]]) -> None:
        if self.starved_for() == 0.0:
            self._starving_since = time.monotonic()
        self.admit()
        self.waiting += 1
        try:
            while self._kept and self._pool.checkedout() + self.waiting > self.size:
                await self._release()
            await connect()
            self._feed()
            self.failing = False
        except Exception as error:
            self.failing = is_transient(error) and not isinstance(error, PoolTimeout)
            raise
        finally:
            self.waiting -= 1
            self._asked_at = time.monotonic()

    def _feed(self, *_connection: object) -> None:
        self._starving_since = None


class Database:
    """The two roles of a service: `session` under row-level security, `system` for tails and sweepers."""

    def __init__(self, url: str, system_url: str, *, pool_size: int = 5, instance: str = "floyo") -> None:
        self._probe_url = system_url
        self._api = Pool(url, pool_size, instance)
        self._system = Pool(system_url, pool_size, instance)

    @asynccontextmanager
    async def session(self, organization_id: UUID | None) -> AsyncIterator[AsyncSession]:
        """One transaction that sees one organisation's rows, or none; commits on leaving, rolls back on error."""
        async with self._api.transaction() as session:
            if organization_id is not None:
                await set_organization(session, organization_id)
            yield session

    async def glance(self, query: str, *arguments: Any) -> Any:
        """A row by one statement that opens the organisation itself, by `set_config`; for the hottest reads alone."""
        async with self._api.statements() as connection:
            return await connection.fetchrow(query, *arguments)

    @asynccontextmanager
    async def system(self) -> AsyncIterator[AsyncSession]:
        """One transaction that sees every organisation's rows; commits on leaving, rolls back on error."""
        async with self._system.transaction() as session:
            yield session

    def statements(self) -> AbstractAsyncContextManager[Any]:
        """asyncpg's connection in the system role, for statements that are each a transaction of their own."""
        return self._system.statements()

    def admit(self) -> None:
        """As for a session, before anything is done for a request: to refuse must cost far less than to serve."""
        self._api.admit()

    def figures(self) -> PoolFigures:
        """Size, connections in use, and tasks that wait for one, over both roles."""
        pools = (self._api, self._system)
        return PoolFigures(
            size=sum(pool.size for pool in pools),
            checked_out=sum(pool.checked_out for pool in pools),
            waiting=sum(pool.waiting for pool in pools),
        )

    @property
    def failing(self) -> bool:
        """Whether the last attempt to reach PostgreSQL as either role failed, without asking it now."""
        return self._api.failing or self._system.failing

    def starved_for(self) -> float:
        """Seconds during which somebody waited for a connection of either role and none came back."""
        return max(self._api.starved_for(), self._system.starved_for())

    async def answers(self) -> bool:
        """Whether PostgreSQL answers on a connection of its own, outside the pools."""
        try:
            connection = await asyncpg.connect(self._probe_url, timeout=PROBE_TIMEOUT)
            await connection.close(timeout=PROBE_TIMEOUT)
        except (OSError, TimeoutError, exceptions.PostgresError, exceptions.InterfaceError):
            return False
        return True

    async def ping(self) -> None:
        """Raises Unavailable unless PostgreSQL answers."""
        async with self.system() as session:
            await session.execute(sqlalchemy.text("SELECT 1"))

    async def close(self) -> None:
        """Closes every connection."""
        await self._api.close()
        await self._system.close()


async def set_organization(session: AsyncSession, organization_id: UUID) -> None:
    """Opens one organisation's rows to the transaction."""
    await session.execute(
        sqlalchemy.text("SELECT set_config('floyo.organization', :id, true)"), {"id": str(organization_id)}
    )


async def raw(session: AsyncSession) -> Any:
    """asyncpg's own connection, within the session's transaction."""
    connection = await session.connection()
    await connection.execute(sqlalchemy.text("SELECT"))  # the transaction begins with SQLAlchemy's first statement
    return (await connection.get_raw_connection()).driver_connection


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
    return isinstance(error, PoolTimeout | _Broken | ConnectionError | TimeoutError)
