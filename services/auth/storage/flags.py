"""Rows of feature flags that were changed from what the code says."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import flag_override


async def list_all(session: AsyncSession) -> list[sa.Row[Any]]:
    """Every override."""
    return list((await session.execute(sa.select(flag_override).order_by(flag_override.c.name))).all())


async def put(session: AsyncSession, name: str, **values: Any) -> None:
    """Sets an override."""
    statement = insert(flag_override).values(name=name, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
