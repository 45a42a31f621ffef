"""Workflows and their versions."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import workflow, workflow_version

_DEFINITIONS = """
    SELECT version.workflow_id, version.version, CAST(version.definition AS text) AS definition
      FROM workflow_version version
      JOIN unnest($1::uuid[], $2::int[]) AS wanted (workflow_id, version)
        ON version.workflow_id = wanted.workflow_id AND version.version = wanted.version
"""


async def definitions(connection: Any, wanted: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], str]:
    """The definitions of these versions, as JSON text, by asyncpg's own connection."""
    rows = await connection.fetch(_DEFINITIONS, [item[0] for item in wanted], [item[1] for item in wanted])
    return {(row["workflow_id"], row["version"]): row["definition"] for row in rows}


async def insert_first(session: AsyncSession, values: dict[str, Any], definition: dict[str, Any]) -> bool:
    """Store a new workflow at version 1; False when its origin has made one already."""
    statement = insert(workflow).values(version=1, **values).on_conflict_do_nothing(
        index_elements=["organization_id", "origin"]
    )  # fmt: skip
    if (await session.execute(statement.returning(workflow.c.id))).first() is None:
        return False
    await insert_version(session, values["id"], 1, values, definition)
    return True


async def insert_version(
    session: AsyncSession, workflow_id: UUID, version: int, values: dict[str, Any], definition: dict[str, Any]
) -> None:
    """Store one version; `values` names the organisation, the author and the moment."""
    await session.execute(
        sa.insert(workflow_version).values(
            workflow_id=workflow_id,
            version=version,
            organization_id=values["organization_id"],
            definition=definition,
            created_by=values["created_by"],
            created_at=values["updated_at"],
        )
    )


def _with_definition(organization_id: UUID) -> sa.Select[Any]:
    joined = workflow.join(
        workflow_version,
        sa.and_(workflow_version.c.workflow_id == workflow.c.id, workflow_version.c.version == workflow.c.version),
    )
    return (
        sa.select(workflow, workflow_version.c.definition)
        .select_from(joined)
        .where(workflow.c.organization_id == organization_id, workflow.c.deleted_at.is_(None))
    )


async def get(
    session: AsyncSession, organization_id: UUID, workflow_id: UUID, *, lock: bool = False, share: bool = False
) -> Any | None:
    """One workflow with its present definition, or None; `lock` it to change it, `share` it to start a run of it.

    Whoever switches it off waits for starts that have seen it on, and then finds their runs.
    """
    statement = _with_definition(organization_id).where(workflow.c.id == workflow_id)
    if lock or share:
        statement = statement.with_for_update(of=workflow, read=share)
    return (await session.execute(statement)).first()


async def find_by_origin(session: AsyncSession, organization_id: UUID, origin: str) -> UUID | None:
    """The workflow that an origin made."""
    statement = sa.select(workflow.c.id).where(
        workflow.c.organization_id == organization_id, workflow.c.origin == origin
    )
    return (await session.execute(statement)).scalar()


async def page(
    session: AsyncSession, organization_id: UUID, *, before: UUID | None, limit: int, active: bool | None
) -> list[Any]:
    """Workflows, newest first, one more than `limit` when more follow."""
    statement = _with_definition(organization_id).order_by(workflow.c.id.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(workflow.c.id < before)
    if active is not None:
        statement = statement.where(workflow.c.active.is_(active))
    return list(await session.execute(statement))


async def update(session: AsyncSession, workflow_id: UUID, **values: Any) -> None:
    """Change a workflow's own fields."""
    await session.execute(sa.update(workflow).where(workflow.c.id == workflow_id).values(**values))


async def versions(
    session: AsyncSession, organization_id: UUID, workflow_id: UUID, *, before: int | None, limit: int
) -> list[Any]:
    """A workflow's versions, newest first, one more than `limit` when more follow."""
    statement = (
        sa.select(workflow_version)
        .where(workflow_version.c.organization_id == organization_id, workflow_version.c.workflow_id == workflow_id)
        .order_by(workflow_version.c.version.desc())
        .limit(limit + 1)
    )
    if before is not None:
        statement = statement.where(workflow_version.c.version < before)
    return list(await session.execute(statement))


async def version(session: AsyncSession, organization_id: UUID, workflow_id: UUID, number: int) -> Any | None:
    """One version, or None."""
    statement = sa.select(workflow_version).where(
        workflow_version.c.organization_id == organization_id,
        workflow_version.c.workflow_id == workflow_id,
        workflow_version.c.version == number,
    )
    return (await session.execute(statement)).first()
