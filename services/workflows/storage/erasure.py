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

from services.workflows.storage.tables import erasure, run, trigger, workflow, workflow_version

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
_TABLES = ("run_start", "pacing", "awaited", "trigger", "workflow_version", "workflow", "idempotency_key", "audience")
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
# Runs that the person started, that their events started, that asked them, or that they decided.
_CONCERNED = text(
    """
    SELECT id FROM run
     WHERE organization_id = ANY(:organizations) AND (cause->>'by' = :subject OR event->>'actor' = :id)
     UNION
    SELECT run_id FROM approval
     WHERE id = ANY(:decided) OR (organization_id = ANY(:organizations) AND approvers ? :id)
    """
).bindparams(
    sa.bindparam("organizations", type_=ARRAY(UUID_TYPE)), sa.bindparam("decided", type_=ARRAY(UUID_TYPE))
)  # fmt: skip
_APPROVERS = text(
    """
    UPDATE approval SET approvers = (approvers - CAST(:id AS text)) || '["owner"]'
     WHERE organization_id = ANY(:organizations) AND approvers ? :id
    """
).bindparams(sa.bindparam("organizations", type_=ARRAY(UUID_TYPE)))
_REQUESTED = text(
    "UPDATE approval SET requested_by = 'user:deleted' WHERE requested_by = :subject"
    " AND organization_id = ANY(:organizations)"
).bindparams(sa.bindparam("organizations", type_=ARRAY(UUID_TYPE)))
# Nobody is waited for who is gone.
_AWAITED = text(
    "DELETE FROM awaited WHERE organization_id = ANY(:organizations) AND (key = :id OR event->>'actor' = :id)"
).bindparams(sa.bindparam("organizations", type_=ARRAY(UUID_TYPE)))
# What their events said goes with the events.
_EVENTS = text(
    """
    UPDATE run SET event = (event::jsonb || '{"data": null}')::json,
                   trigger = (trigger::jsonb || '{"data": null}')::json
     WHERE id = ANY(:runs) AND event->>'actor' = :id
    """
).bindparams(sa.bindparam("runs", type_=ARRAY(UUID_TYPE)))
_TEXTS = [
    text(
        f"UPDATE {table} SET {column} = regexp_replace({column}::text, :id, 'deleted', 'gi')::json"  # noqa: S608
        f" WHERE {key} = ANY(:runs) AND {column}::text ILIKE '%' || :id || '%'"
    ).bindparams(sa.bindparam("runs", type_=ARRAY(UUID_TYPE)))
    for table, key, columns in (
        ("run", "id", ("cause", "trigger", "event", "input", "output", "error")),
        ("run_step", "run_id", ("input", "output", "error")),
        ("step_output", "run_id", ("output",)),
    )
    for column in columns
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


async def definitions_naming(session: AsyncSession, user_id: UUID, organizations: Sequence[UUID]) -> list[Any]:
    """Versions in which the id stands: (workflow_id, organization_id, version, definition, present)."""
    given = workflow_version.c
    present = sa.and_(workflow.c.version == given.version, workflow.c.deleted_at.is_(None)).label("present")
    statement = (
        sa.select(given.workflow_id, given.organization_id, given.version, given.definition, present)
        .join(workflow, workflow.c.id == given.workflow_id)
        .where(given.organization_id.in_(organizations), sa.cast(given.definition, sa.Text).ilike(f"%{user_id}%"))
    )
    return list(await session.execute(statement))


async def rewrite_definition(session: AsyncSession, workflow_id: UUID, version: int, definition: Any) -> None:
    """Put another text in the place of one version."""
    statement = sa.update(workflow_version).filter_by(workflow_id=workflow_id, version=version)
    await session.execute(statement.values(definition=definition))


async def forget(session: AsyncSession, user_id: UUID, organizations: Sequence[UUID]) -> None:
    """Take a person out of what organisations keep: who wrote, started, was asked and decided."""
    given = {"subject": f"user:{user_id}", "id": str(user_id), "organizations": list(organizations)}
    for statement in (*_AUTHORS, _REQUESTED, _AWAITED):
        await session.execute(statement, given)
    decided = list((await session.execute(_DECISIONS, given)).scalars())
    found = list((await session.execute(_CONCERNED, {**given, "decided": decided})).scalars())
    await session.execute(_APPROVERS, given)
    for statement in (_EVENTS, *_TEXTS) if found else ():
        await session.execute(statement, {**given, "runs": found})


def is_any() -> "sa.ColumnElement[bool]":
    """The condition that names every run."""
    return run.c.id.is_not(None)
