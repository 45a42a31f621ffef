"""PostgreSQL: two pools a process, one for each role, and sessions that commit before anybody is answered."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy
from asyncpg import exceptions
from sqlalchemy.ext.asyncio import AsyncSession

from shared.pool import Pool

PROBE_TIMEOUT = 1.0

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What a process's pools hold at one moment."""

    size: int
    checked_out: int
    waiting: int


def metadata() -> sqlalchemy.MetaData:
    """An empty schema whose constraints are named by rule, so that every migration can drop them."""
    return sqlalchemy.MetaData(naming_convention=_NAMING)


class Database:
    """The two roles of a service: `session` under row-level security, `system` for tails and sweepers."""

    def __init__(self, url: str, system_url: str, *, pool_size: int = 5, instance: str = "floyo") -> None:
        self._probe_url = system_url
        self._api = Pool(url, pool_size, instance)
        self._system = Pool(system_url, pool_size, instance)

    def session(self, organization_id: UUID | None) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction that sees one organisation's rows, or none; commits on leaving, rolls back on error."""
        return self._api.transaction(organization_id)

    async def glance(self, query: str, *arguments: Any) -> Any:
        """A row by one statement that opens the organisation itself, by `set_config`; for the hottest reads alone."""
        async with self._api.statements() as connection:
            return await connection.fetchrow(query, *arguments)

    def system(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction that sees every organisation's rows; commits on leaving, rolls back on error."""
        return self._system.transaction()

    def statements(self) -> AbstractAsyncContextManager[Any]:
        """asyncpg's connection in the system role, for statements that are each a transaction of their own."""
        return self._system.statements()

    async def look(self, query: str, *arguments: Any) -> Any:
        """The first value that one statement in the system role finds, or None; for sweeps that mostly find nothing."""
        async with self._system.statements() as connection:
            return await connection.fetchval(query, *arguments)

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

    async def warm(self) -> None:
        """Opens a connection of each role, since the first of each takes long; an absent server is met by who asks."""
        await asyncio.gather(self._api.open(), self._system.open())

    async def ping(self) -> None:
        """Raises Unavailable unless PostgreSQL answers."""
        await self.look("SELECT 1")

    async def close(self) -> None:
        """Closes every connection."""
        await self._api.close()
        await self._system.close()


async def raw(session: AsyncSession) -> Any:
    """asyncpg's own connection, within the session's transaction."""
    connection = await session.connection()
    await connection.execute(sqlalchemy.text("SELECT"))  # the transaction begins with SQLAlchemy's first statement
    return (await connection.get_raw_connection()).driver_connection
