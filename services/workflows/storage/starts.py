"""Runs that people start, many requests' in one statement, as long as their workflows are as they were known to be."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

# Some members of a definition make a start depend on other runs: such workflows are `limited`.
_PRESENT = """
    SELECT workflow.id, workflow.organization_id, workflow.version,
           workflow_version.definition ?| ARRAY['concurrency', 'throttle', 'debounce'] AS limited
      FROM workflow JOIN workflow_version ON workflow_id = workflow.id AND workflow_version.version = workflow.version
     WHERE workflow.id = ANY($1::uuid[]) AND workflow.organization_id = ANY($2::uuid[])
       AND active AND deleted_at IS NULL
"""
_INSERT = """
    INSERT INTO run (id, organization_id, workflow_id, version, status, trigger, input, cause, dry_run, depth,
                     trace_id, created_at, due_at)
    SELECT given.id, workflow.organization_id, workflow.id, given.version, 'queued',
           json_build_object('type', 'manual', 'data', given.input), given.input,
           json_build_object('kind', 'manual', 'by', given.subject), given.dry_run, 0,
           given.trace_id, given.created_at, clock_timestamp()
      FROM json_to_recordset($1::json) AS given (
               id uuid, organization_id uuid, workflow_id uuid, version int, input json, subject text, dry_run boolean,
               trace_id text, created_at timestamptz)
      JOIN workflow ON workflow.id = given.workflow_id AND workflow.organization_id = given.organization_id
           AND workflow.version = given.version AND workflow.active AND workflow.deleted_at IS NULL
       FOR SHARE OF workflow
    RETURNING run.id
"""


@dataclass(frozen=True, slots=True)
class ManualStart:
    """One start; `input` is JSON text."""

    id: UUID
    organization_id: UUID
    workflow_id: UUID
    input: bytes
    subject: str
    dry_run: bool
    trace_id: str
    created_at: datetime


async def present(connection: Any, workflow_ids: Collection[UUID], organization_ids: Collection[UUID]) -> list[Any]:
    """The active ones among these workflows: {id, organization_id, version, limited}."""
    return list(await connection.fetch(_PRESENT, list(workflow_ids), list(organization_ids)))


async def insert(connection: Any, starts: Sequence[tuple[ManualStart, int]]) -> set[UUID]:
    """Store runs that are due now; answers those whose workflow is active and still at the version given."""
    rows = [
        {
            "id": start.id,
            "organization_id": start.organization_id,
            "workflow_id": start.workflow_id,
            "version": version,
            "input": orjson.Fragment(start.input),
            "subject": start.subject,
            "dry_run": start.dry_run,
            "trace_id": start.trace_id,
            "created_at": start.created_at,
        }
        for start, version in starts
    ]
    return {row["id"] for row in await connection.fetch(_INSERT, orjson.dumps(rows).decode())}
