"""Rows that name a person as their author."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_ROWS = text(
    """
    SELECT kind, id, at, key, data FROM (
        SELECT 'version' AS kind, workflow_id AS id, created_at AS at, 'v' || workflow_id || version AS key,
               jsonb_build_object('version', version, 'definition', definition) AS data
          FROM workflow_version WHERE organization_id = :organization_id AND created_by = :subject
        UNION ALL
        SELECT 'run', id, created_at, 'r' || id,
               jsonb_build_object('workflow_id', workflow_id, 'status', status, 'input', input)
          FROM run WHERE organization_id = :organization_id AND cause->>'by' = :subject
        UNION ALL
        SELECT 'decision', approval_id, decided_at, 'd' || approval_id,
               jsonb_build_object('decision', decision, 'comment', comment)
          FROM approval_decision WHERE organization_id = :organization_id AND decided_by = :subject
    ) AS found WHERE (at, key) > (:at, :key) ORDER BY at, key LIMIT :limit
    """
)
_BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), "")


async def page(
    session: AsyncSession, organization_id: UUID, subject: str, above: tuple[datetime, str] | None, limit: int
) -> list[Any]:
    """(kind, id, at, key, data) of versions, runs and decisions, oldest first, above a place."""
    at, key = above or _BEGINNING
    given = {"organization_id": organization_id, "subject": subject, "at": at, "key": key, "limit": limit}
    return list(await session.execute(_ROWS, given))
