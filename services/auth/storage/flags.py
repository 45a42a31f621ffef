"""Rows of feature flags that were changed from what the code says."""

from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import flag_override
from shared.database import Database

_ALL = "SELECT name, enabled, percentage, organizations, users FROM flag_override ORDER BY name"


async def list_all(database: Database) -> list[Any]:
    """Every override, by one statement: every process asks every other second."""
    async with database.statements() as connection:
        return list(await connection.fetch(_ALL))


async def put(session: AsyncSession, name: str, **values: Any) -> None:
    """Sets an override."""
    statement = insert(flag_override).values(name=name, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
