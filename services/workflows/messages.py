"""Messages that the workflows service publishes."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from shared.messages import Message


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
