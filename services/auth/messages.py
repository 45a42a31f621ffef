"""Messages that the auth service publishes, what every service must forget; and those that it reads."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from shared.messages import Message, Reading

READERS = ("events", "workflows", "integrations")


class UserDeleted(Message):
    """A person is gone; `organization_ids` are the organisations they belonged to and that live on."""

    type: ClassVar[str] = "user.deleted"

    user_id: UUID
    organization_ids: list[UUID]


class OrganizationDeleted(Message):
    """An organisation is gone, and everything of it must go."""

    type: ClassVar[str] = "organization.deleted"

    organization_id: UUID


class NoticeRaised(Reading):
    """Something of an organisation stopped working; its admins get a letter."""

    organization_id: UUID
    kind: str
    target: UUID
    name: str


class ApprovalRequested(Reading):
    """A run waits for people: those named by id or role decide, all but who asked for it."""

    organization_id: UUID
    approval_id: UUID
    step: str
    approvers: list[str]
    requested_by: str | None = None


class AuditRecorded(Reading):
    """Somebody did something in another service that the audit log keeps."""

    organization_id: UUID
    actor: str
    action: str
    target: str
    details: dict[str, Any]
    at: datetime
    address: str | None = None
