"""Messages that the workflows service publishes, and those of siblings that it reads."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from shared.messages import Message, Reading


class TriggerChanged(Message):
    """A subscription to events began, changed or ended; a higher `revision` of the same trigger replaces a lower one.

    `match` is {source?, type?, subject?, where?}; `active` is false when the trigger listens no longer.
    Events since `changed_at` concern it, however late the message arrives.
    """

    type: ClassVar[str] = "workflow.trigger_changed"

    trigger_id: UUID
    organization_id: UUID
    workflow_id: UUID
    revision: int
    changed_at: datetime
    active: bool
    match: dict[str, Any]


class RunFinished(Message):
    """A run has ended: `status` is succeeded, failed or cancelled, `error` {type, detail, step} of a failed one.

    Published for organisations that have somebody to tell; written in SQL by `storage/news.py`.
    """

    type: ClassVar[str] = "workflow.run_finished"

    organization_id: UUID
    run_id: UUID
    workflow_id: UUID
    workflow_version: int
    status: str
    error: dict[str, Any] | None
    dry_run: bool
    started_at: datetime | None
    finished_at: datetime


class ApprovalRequested(Message):
    """A run waits for people: `required` of `approvers` (user ids and roles; empty means whoever may approve).

    `requested_by`, `user:<id>` or the like, is whoever started it and so must not decide.
    """

    type: ClassVar[str] = "approval.requested"

    organization_id: UUID
    approval_id: UUID
    run_id: UUID
    workflow_id: UUID
    step: str
    approvers: list[str]
    required: int
    expires_at: datetime
    requested_by: str | None = None


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


class UserDeleted(Reading):
    """A person is gone; the organisations live on."""

    user_id: UUID
    organization_ids: list[UUID]


class OrganizationDeleted(Reading):
    """An organisation is gone, and everything of it must go."""

    organization_id: UUID
