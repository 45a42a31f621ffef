"""Rows of `integration`; every query names its organisation."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.dialects.postgresql import insert as insert_
from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.storage.tables import integration
from shared import clock
from shared.database import Database

Row = RowMapping
_AT_ONCE = {
    column: f"""
        SELECT found.* FROM (SELECT set_config('floyo.organization', $1, true) AS id) AS organization
        CROSS JOIN LATERAL (
            SELECT * FROM integration WHERE organization_id = organization.id::uuid AND {column} = $2 OFFSET 0
        ) AS found
    """  # noqa: S608  # the two names below
    for column in ("id", "name")
}


async def insert(session: AsyncSession, values: Mapping[str, Any]) -> Row | None:
    """The new row, or None when the organisation already has one of that name."""
    statement = insert_(integration).values(**values).on_conflict_do_nothing().returning(integration)
    return await _first(session, statement)


async def find(session: AsyncSession, organization_id: UUID, integration_id: UUID, *, lock: bool = False) -> Row | None:
    """One row by id, for update if `lock`."""
    statement = sa.select(integration).filter_by(organization_id=organization_id, id=integration_id)
    statement = statement.with_for_update() if lock else statement
    return await _first(session, statement)


async def find_at_once(
    database: Database, organization_id: UUID, *, by: str, value: UUID | str
) -> Mapping[str, Any] | None:
    """One row by `id` or `name` in a single round trip, for calls of workflows.

    The inner query depends on the outer one and cannot be flattened into it, so that row-level security finds the
    organisation set; were it ever otherwise, there would be no row.
    """
    row: Mapping[str, Any] | None = await database.glance(_AT_ONCE[by], str(organization_id), value)
    return row


async def page(
    session: AsyncSession, organization_id: UUID, *, before: UUID | None, connector: str | None, limit: int
) -> Sequence[Row]:
    """Up to `limit` rows, the newest first, older than `before`."""
    statement = sa.select(integration).filter_by(organization_id=organization_id)
    if connector is not None:
        statement = statement.where(integration.c.connector == connector)
    if before is not None:
        statement = statement.where(integration.c.id < before)
    statement = statement.order_by(integration.c.id.desc()).limit(limit)
    return (await session.execute(statement)).mappings().all()


async def update(
    session: AsyncSession, organization_id: UUID, integration_id: UUID, values: Mapping[str, Any]
) -> Row | None:
    """The changed row, or None when it is gone; the caller guards uniqueness of names with `name_is_taken`."""
    statement = (
        sa.update(integration)
        .filter_by(organization_id=organization_id, id=integration_id)
        .values(**values, updated_at=clock.now(), revision=integration.c.revision + 1)
        .returning(integration)
    )
    return await _first(session, statement)


async def name_is_taken(session: AsyncSession, organization_id: UUID, name: str, besides: UUID) -> bool:
    """Whether another integration of the organisation has the name; renames of one organisation queue up here."""
    await session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{organization_id}"))))
    statement = sa.select(sa.literal(1)).select_from(integration)
    statement = statement.filter_by(organization_id=organization_id, name=name).where(integration.c.id != besides)
    return (await session.execute(statement)).first() is not None


async def delete(session: AsyncSession, organization_id: UUID, integration_id: UUID) -> bool:
    """Whether there was one to delete."""
    statement = sa.delete(integration).filter_by(organization_id=organization_id, id=integration_id)
    return (await session.execute(statement.returning(integration.c.id))).first() is not None


async def delete_organization(session: AsyncSession, organization_id: UUID) -> None:
    """Everything of an organisation that is no more."""
    await session.execute(sa.delete(integration).filter_by(organization_id=organization_id))


async def made_by(session: AsyncSession, organization_id: UUID, actor: str) -> Sequence[Row]:
    """What an actor made: id, name, connector, created_at."""
    shown = (integration.c.id, integration.c.name, integration.c.connector, integration.c.created_at)
    statement = sa.select(*shown).filter_by(organization_id=organization_id, created_by=actor)
    return (await session.execute(statement.order_by(integration.c.id))).mappings().all()


async def anonymize(session: AsyncSession, actor: str) -> None:
    """Take an actor's name off everything they made (system role)."""
    await session.execute(sa.update(integration).filter_by(created_by=actor).values(created_by="user:deleted"))


async def _first(session: AsyncSession, statement: sa.Executable) -> Row | None:
    row: Row | None = (await session.execute(statement)).mappings().first()
    return row
