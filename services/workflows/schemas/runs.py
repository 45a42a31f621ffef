"""Wire shapes of runs and their steps."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StrictBool, StrictInt

from services.workflows.domain.definition import Strict
from services.workflows.step import StepStatus

Status = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]


class RunIn(Strict):
    """What a run starts with; a dry run reaches nothing outside, `version` pins it to another than the present one."""

    input: Any = None
    dry_run: StrictBool = False
    version: StrictInt | None = Field(default=None, ge=1, le=2**31 - 1)


class StartedOut(BaseModel):
    """A run that has been accepted."""

    id: UUID
    status: Status


class StepOut(BaseModel):
    """One step of a run; inside foreach and parallel the id names the branch, such as `each[2].tell`."""

    id: str
    type: str
    status: StepStatus
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    input: Any
    output: Any
    error: dict[str, Any] | None


class RunSummary(BaseModel):
    """A run without its steps."""

    id: UUID
    workflow_id: UUID
    version: int
    status: Status
    trigger: dict[str, Any]
    input: Any
    output: Any
    error: dict[str, Any] | None
    dry_run: bool
    cause: dict[str, Any] | None
    trace_id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RunOut(RunSummary):
    """A run with every step."""

    steps: list[StepOut]


class RetryIn(Strict):
    """Which ended runs of a workflow go on, and how many a second."""

    workflow_id: UUID
    status: Literal["failed", "cancelled"] = "failed"
    after: AwareDatetime | None = None
    before: AwareDatetime | None = None
    per_second: float = Field(default=10.0, gt=0, le=100)


class RetriedOut(BaseModel):
    """How many runs go on."""

    retried: int
