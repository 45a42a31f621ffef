"""Wire shapes of events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Name = Field(min_length=1, max_length=255)


class EventIn(BaseModel):
    """One event as posted."""

    model_config = ConfigDict(extra="forbid")

    source: str = Name
    type: str = Name
    id: str | None = Field(default=None, min_length=1, max_length=255, description="The sender's id: unique per source")
    actor: str | None = Field(default=None, min_length=1, max_length=255)
    subject: str | None = Field(default=None, min_length=1, max_length=1024)
    time: datetime | None = None
    data: Any = None


class EventOut(BaseModel):
    """One event as stored."""

    id: UUID
    external_id: str | None
    source: str
    type: str
    actor: str | None
    subject: str | None
    time: datetime
    received_at: datetime
    position: str
    data: Any
    extensions: dict[str, Any] | None = Field(description="A CloudEvent's other attributes")


class Receipt(BaseModel):
    """Where the event stands; both are null when a capture filter dropped it."""

    id: UUID | None
    position: str | None
    duplicate: bool = False
    filtered: bool = False


class RejectedItem(BaseModel):
    """An item of a batch that was refused, by its place."""

    index: int
    type: str
    detail: str


class BatchReceipt(BaseModel):
    """What became of a batch."""

    accepted: int
    duplicates: int
    filtered: int = 0
    rejected: list[RejectedItem]


class PatternRef(BaseModel):
    """A pattern that cites the event."""

    id: UUID
    kind: str


class SuggestionRef(BaseModel):
    """A suggestion that cites the event."""

    id: UUID
    title: str
    status: str
    workflow_id: UUID | None


class TriggerRef(BaseModel):
    """An active trigger that such an event fires, as far as its indexed fields say."""

    trigger_id: UUID
    workflow_id: UUID


class EffectRef(BaseModel):
    """A step that reached beyond its run, and the event that it recorded, if it did."""

    step: str
    type: str
    event_id: UUID | None


class RunRef(BaseModel):
    """A run of a version of a workflow, of which suggestion, started by what, and its effects."""

    id: UUID
    workflow_id: UUID
    version: int
    suggestion_id: UUID | None
    status: str
    dry_run: bool
    cause: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    effects: list[EffectRef]


class Lineage(BaseModel):
    """An event's story: event → pattern → suggestion → version → run → effect, and back to what caused it.

    `cause` is the run that the event is an effect of; `complete` is false when the workflows service could not be
    asked or the story goes on beyond 500 runs.
    """

    event_id: UUID
    cause: UUID | None
    patterns: list[PatternRef]
    suggestions: list[SuggestionRef]
    triggers: list[TriggerRef]
    runs: list[RunRef]
    complete: bool


class RejectionOut(RejectedItem):
    """A refused item, kept for a week."""

    id: UUID
    job_id: UUID | None
    received_at: datetime
