"""Wire shapes of workflows and their versions."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from services.workflows.domain import workflows
from services.workflows.domain.definition import Definition, Strict


class WorkflowOut(BaseModel):
    """A workflow: what was written, with its id, version and state beside it."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    version: int
    active: bool
    created_at: datetime
    updated_at: datetime
    name: str
    trigger: dict[str, Any]
    steps: list[dict[str, Any]]


class Missing(BaseModel):
    """A field that names what the organisation does not have, by JSON Pointer."""

    pointer: str
    detail: str


class ImportedOut(WorkflowOut):
    """What an import has saved: switched off while something is `missing`."""

    missing: list[Missing]


class VersionOut(BaseModel):
    """One version as it was saved."""

    version: int
    created_at: datetime
    created_by: str | None
    definition: dict[str, Any]


class DeactivateIn(Strict):
    """Whether queued, waiting and running work ends too."""

    cancel_runs: StrictBool = False


class RollbackIn(Strict):
    """The version to go back to."""

    version: StrictInt = Field(ge=1, le=2**31 - 1)


class Change(BaseModel):
    """One difference between two versions: a JSON Pointer, and the value before and after."""

    pointer: str
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


class DiffOut(BaseModel):
    """What changed between two versions."""

    from_version: int
    to_version: int
    changes: list[Change]


class OriginIn(Strict):
    """What a workflow was made from."""

    type: Literal["suggestion"]
    id: UUID


class ApplyIn(Strict):
    """A sibling's request to make a workflow, once for an origin; `event` is what its dry run starts from."""

    organization_id: UUID
    actor_id: UUID | None = None
    definition: Definition
    origin: OriginIn
    event: dict[str, Any] | None = None


class AppliedOut(BaseModel):
    """The workflow that an origin made, and the dry run that shows what it will do."""

    workflow_id: UUID
    dry_run_id: UUID | None


def show(row: Any) -> WorkflowOut:
    """A stored workflow as it is answered."""
    return WorkflowOut.model_validate(
        {
            **row.definition,
            "id": row.id,
            "version": row.version,
            "active": row.active,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
    )


def keep(row: Any) -> dict[str, Any]:
    """A stored workflow as an Idempotency-Key remembers it: {etag, workflow}, both as they were answered first."""
    return {"etag": workflows.etag(row), "workflow": show(row).model_dump(mode="json")}
