"""Wire shapes of patterns and suggestions."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["sequence", "relation", "habit", "rule"]
Status = Literal["open", "applied", "dismissed", "bookmarked"]


class StepOut(BaseModel):
    """One step: `subject` is a text, a template with slots, or null for any; `level` is exact, templated or type."""

    source: str
    type: str
    subject: str | None
    level: str


class PatternOut(BaseModel):
    """Something that repeats; `evidence` holds event ids, run after run.

    `details` of a rule are its delays (seconds), of a habit its calendar, minute of the day (UTC) and regularity.
    """

    id: UUID
    kind: Kind
    steps: list[StepOut]
    support: int
    confidence: float
    lift: float | None
    p_value: float | None
    actors: int
    median_gap_seconds: float | None
    minutes_per_week: float
    first_seen: datetime
    last_seen: datetime
    sessions: int
    days: int
    details: dict[str, Any] = {}
    evidence: list[UUID]


class Activity(BaseModel):
    """A kind of event."""

    source: str
    type: str


class Node(Activity):
    """A kind of event and how often it came."""

    count: int


class Edge(BaseModel):
    """How often one kind of event followed another directly, by one actor within half an hour."""

    model_config = ConfigDict(serialize_by_alias=True)

    origin: Activity = Field(alias="from")
    to: Activity
    count: int
    median_gap_seconds: float


class Graph(BaseModel):
    """The directly-follows graph of the latest 50,000 events."""

    nodes: list[Node]
    edges: list[Edge]


class Likely(Activity):
    """What an actor may do next."""

    probability: float


class NextActions(BaseModel):
    """Most likely first."""

    items: list[Likely]


class Backtest(BaseModel):
    """What the suggestion would have done on the last part of the history."""

    would_have_fired: int
    matched: int
    missed: int
    wrong: int


class SuggestionOut(BaseModel):
    """A proposal to automate a pattern; `workflow` is a complete definition."""

    id: UUID
    pattern_id: UUID
    title: str
    reasoning: str
    confidence: float
    minutes_per_week: float
    workflow: dict[str, Any]
    evidence: list[UUID]
    backtest: Backtest
    status: Status
    workflow_id: UUID | None
    created_at: datetime


class Applied(BaseModel):
    """The workflow that the suggestion became."""

    workflow_id: UUID
