"""Messages that this service publishes, and those that it reads: only the fields that it needs."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict

from shared.messages import Message, Reading


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


class NoticeRaised(Message):
    """Something stopped working that the admins of an organisation should know of; `name` is what they call it."""

    type: ClassVar[str] = "notice.raised"

    organization_id: UUID
    kind: Literal["webhook-failing", "webhook-gone", "authorization-refused"]
    target: UUID
    name: str
    at: datetime


class OrganizationDeleted(Reading):
    """An organisation is no more."""

    organization_id: UUID


class UserDeleted(Reading):
    """A person is gone; these organisations live on."""

    user_id: UUID
    organization_ids: list[UUID]


class Fact(Reading):
    """Something that outbound webhooks tell of; its other fields are the payload."""

    model_config = ConfigDict(frozen=True, extra="allow")

    organization_id: UUID


FACTS = ("workflow.run_finished", "suggestion.created", "approval.requested")
"""Types of messages that organisations may subscribe their webhooks to."""
