"""What is erased: everything of an organisation, in batches; the traces of a person. System role."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import approval, erasure, run, trigger, workflow

BATCH = 1_000
_RUNS = """
    WITH chosen AS (SELECT id FROM run WHERE organization_id = :organization_id LIMIT :batch),
         emptied AS (DELETE FROM run_step USING chosen WHERE run_id = chosen.id),
         cleared AS (DELETE FROM step_output USING chosen WHERE run_id = chosen.id)
    DELETE FROM run USING chosen WHERE run.id = chosen.id
"""
_APPROVALS = """
    WITH chosen AS (SELECT id FROM approval WHERE organization_id = :organization_id LIMIT :batch),
         emptied AS (DELETE FROM approval_decision USING chosen WHERE approval_id = chosen.id RETURNING approval_id)
    DELETE FROM approval USING chosen
     WHERE approval.id = chosen.id AND (SELECT count(*) FROM emptied) >= 0
"""
_FIRINGS = """
    DELETE FROM firing WHERE (trigger_id, slot) IN (
        SELECT firing.trigger_id, slot FROM firing JOIN trigger ON trigger.id = firing.trigger_id
         WHERE trigger.organization_id = :organization_id LIMIT :batch)
"""
_REST = """
    DELETE FROM {table} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM {table} WHERE organization_id = :organization_id LIMIT :batch))
"""
_TABLES = ("run_start", "trigger", "workflow_version", "workflow", "idempotency_key", "audience")
_STATEMENTS = [text(item) for item in (_RUNS, _APPROVALS, _FIRINGS, *(_REST.format(table=name) for name in _TABLES))]
# Whoever decided keeps a place of their own, without a name.
_DECISIONS = text(
    """
    UPDATE approval_decision SET decided_by = 'user:deleted-' || gen_random_uuid()
     WHERE decided_by = :subject AND organization_id = ANY(:organizations) RETURNING approval_id
    """
).bindparams(sa.bindparam("organizations", type_=ARRAY(UUID_TYPE)))
_AUTHORS = [
    text(
        f"UPDATE {table} SET created_by = 'user:deleted' WHERE created_by = :subject"  # noqa: S608 - our own names
        " AND organization_id = ANY(:organizations)"
    ).bindparams(sa.bindparam("organizations", type_=ARRAY(UUID_TYPE)))
    for table in ("workflow", "workflow_version")
]
_CAUSES = text(
    """
    UPDATE run SET cause = json_build_object('kind', cause->>'kind', 'by', 'user:deleted')
     WHERE organization_id = ANY(:organizations) AND cause->>'by' = :subject
    """
).bindparams(sa.bindparam("organizations", type_=ARRAY(UUID_TYPE)))
_TEXTS = [
    text(
        f"UPDATE {table} SET {column} = replace({column}::text, :subject, 'user:deleted')::json"  # noqa: S608 - our own
        f" WHERE {key} = ANY(:runs) AND {column} IS NOT NULL"
    ).bindparams(sa.bindparam("runs", type_=ARRAY(UUID_TYPE)))
    for table, key, column in (
        ("run", "id", "output"),
        ("run_step", "run_id", "input"),
        ("run_step", "run_id", "output"),
        ("step_output", "run_id", "output"),
    )
]


async def ask(session: AsyncSession, organization_id: UUID, at: datetime) -> None:
    """Note that an organisation is to be erased, and let nothing of it begin any more."""
    values = {"organization_id": organization_id, "asked_at": at}
    await session.execute(insert(erasure).values(**values).on_conflict_do_nothing())
    of = {"organization_id": organization_id}
    await session.execute(sa.update(trigger).filter_by(**of).values(active=False, next_at=None))
    await session.execute(sa.update(workflow).filter_by(**of).values(active=False, deleted_at=at))


async def asked(session: AsyncSession) -> list[Any]:
    """Organisations that are to be erased: (organization_id, asked_at)."""
    return list(await session.execute(sa.select(erasure)))


async def erase(session: AsyncSession, organization_id: UUID) -> int:
    """Delete a batch; answers how many rows, 0 when nothing is left."""
    given = {"organization_id": organization_id, "batch": BATCH}
    for statement in _STATEMENTS:
        erased: int = (await session.execute(statement, given)).rowcount  # type: ignore[attr-defined]
        if erased:
            return erased
    return 0


async def close(session: AsyncSession, organization_id: UUID) -> None:
    """Note that nothing is left of an organisation."""
    await session.execute(sa.delete(erasure).filter_by(organization_id=organization_id))


async def forget(session: AsyncSession, subject: str, organizations: Sequence[UUID]) -> None:
    """Take a person out of what organisations keep: who wrote, started and decided."""
    given = {"subject": subject, "organizations": list(organizations)}
    for statement in (*_AUTHORS, _CAUSES):
        await session.execute(statement, given)
    decided = set((await session.execute(_DECISIONS, given)).scalars())
    if decided:
        runs = sa.select(approval.c.run_id).where(approval.c.id.in_(decided))
        found = list((await session.execute(runs)).scalars())
        for statement in _TEXTS:
            await session.execute(statement, {"subject": subject, "runs": found})


def is_any() -> "sa.ColumnElement[bool]":
    """The condition that names every run."""
    return run.c.id.is_not(None)
