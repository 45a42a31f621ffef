"""Wire shapes of approvals."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.workflows.domain.definition import Strict

Answer = bool | Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=2_000)]
ApprovalStatus = Literal["open", "approved", "rejected", "expired", "withdrawn"]


class DecideIn(Strict):
    """One person's word."""

    decision: Literal["approve", "reject"]
    comment: Annotated[str, Field(max_length=2_000)] | None = None
    answers: Annotated[dict[str, Answer], Field(default_factory=dict, max_length=20)]


class DecisionOut(BaseModel):
    """Who said what, and when."""

    decided_by: str
    decision: Literal["approve", "reject"]
    comment: str | None
    answers: dict[str, Any] | None
    decided_at: datetime


class ApprovalSummary(BaseModel):
    """What waits for a decision: one step of one run."""

    id: UUID
    run_id: UUID
    workflow_id: UUID
    step: str
    approvers: list[str]
    required: int
    status: ApprovalStatus
    expires_at: datetime
    created_at: datetime
    decided_at: datetime | None


class ApprovalOut(ApprovalSummary):
    """An approval with the questions to fill in when approving, and the decisions made so far."""

    form: list[dict[str, Any]]
    decisions: list[DecisionOut]
