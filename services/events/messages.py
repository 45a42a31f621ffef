"""Messages that the events service publishes, and those of siblings that it reads: only the fields that it needs."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.messages import Message, Reading


class SuggestionCreated(Message):
    """Mining found a routine that was not suggested before; `confidence` is 0 to 1."""

    type: ClassVar[str] = "suggestion.created"

    organization_id: UUID
    suggestion_id: UUID
    pattern_id: UUID
    title: str
    confidence: float
    minutes_per_week: float
    created_at: datetime


class AuditRecorded(Message):
    """Somebody did something that the audit log keeps; `actor` is `user:<id>` or `api_key:<id>`."""

    type: ClassVar[str] = "audit.recorded"

    organization_id: UUID
    actor: str
    action: str
    target: str
    details: dict[str, Any]
    at: datetime
    address: str | None


class Match(BaseModel):
    """Which events a trigger is for; each field exact or a glob, absent for any."""

    model_config = ConfigDict(extra="ignore")

    source: str | None = None
    type: str | None = None
    subject: str | None = None


class TriggerChanged(Reading):
    """A workflow's event trigger, as it now stands."""

    trigger_id: UUID
    organization_id: UUID
    workflow_id: UUID
    match: Match | None = None
    active: bool
    revision: int
    changed_at: datetime


class UserDeleted(Reading):
    """A person is gone."""

    user_id: UUID
    organization_ids: list[UUID]


class OrganizationDeleted(Reading):
    """An organisation is gone."""

    organization_id: UUID
