"""Wire shapes of patterns and suggestions."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from shared.pagination import Page

Kind = Literal["sequence", "relation", "habit", "rule"]
Zone = Annotated[str, Field(min_length=1, max_length=64, description="A name of the tz database")]
Actor = Annotated[str, Field(min_length=1, max_length=255)]
Status = Literal["open", "applied", "dismissed", "bookmarked"]


class StepOut(BaseModel):
    """One step: `subject` is a text, a template with slots, or null for any; `level` is exact, templated or type."""

    source: str
    type: str
    subject: str | None
    level: str


class PatternOut(BaseModel):
    """Something that repeats; `evidence` holds event ids, run after run.

    `details` of a rule are its delays (seconds), of a habit its calendar, minute of the day (by the actor's clock) and
    regularity; `minutes` are the terms of minutes_per_week.
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
    """What the suggestion would have done on the last part of the history, with runs of each outcome as ids of events.

    `learned` says whether the first part alone shows the pattern; `missed` runs would not have been begun.
    """

    would_have_fired: int
    matched: int
    missed: int
    wrong: int
    learned: bool = False
    examples: dict[str, list[list[UUID]]] = {}


class ParameterOut(BaseModel):
    """A value that a step of the workflow gets, and the events that prove it."""

    step: str
    path: str
    kind: Literal["constant", "variable", "text", "branch", "unknown"]
    value: Any
    evidence: list[UUID]


class ConditionOut(BaseModel):
    """What the trigger asks of an event: events that meet it and were followed, and such as do not and were not."""

    path: str
    operator: str
    value: Any
    evidence: list[UUID]
    against: list[UUID]


class ConnectionOut(BaseModel):
    """A step that a connector can do, with the action's input: through which integration, or null while none is there.

    Until then the step is a transform that prepares the content. Of several connections of a step one is enough; the
    first that is there is used.
    """

    step: str
    app: str
    connector: str
    action: str
    input: dict[str, Any]
    integration: str | None = None


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
    parameters: list[ParameterOut]
    conditions: list[ConditionOut]
    connections: list[ConnectionOut]
    minutes: dict[str, float] = Field(description="The terms of minutes_per_week")
    status: Status
    person: str | None = Field(description="Who does it most often")
    workflow_id: UUID | None
    dry_run_id: UUID | None
    created_at: datetime


class Suggestions(Page[SuggestionOut]):
    """A page of suggestions; `explanation` says why there are none."""

    explanation: str | None = None


class Missing(BaseModel):
    """A step that could do more if its connector were connected."""

    step: str
    connector: str
    detail: str


class Applied(BaseModel):
    """The workflow that the suggestion became, the dry run that shows what it will do, and what to connect first."""

    workflow_id: UUID
    dry_run_id: UUID | None
    missing: list[Missing]


class MiningSettings(BaseModel):
    """How events are mined: the clock that habits are kept by, of the organisation and of single actors; how many
    people make a team; how many new suggestions a person gets in seven days; the channel of a chat where alerts are
    told, without one where the people concerned post most."""

    model_config = ConfigDict(extra="forbid")

    zone: Zone = "UTC"
    zones: Annotated[dict[Actor, Zone], Field(max_length=10_000)] = {}
    least_actors: Annotated[StrictInt, Field(ge=1, le=1_000)] = 3
    suggestions_per_week: Annotated[StrictInt, Field(ge=0, le=1_000)] = 7
    alert_channel: Annotated[str, Field(max_length=100, pattern=r"^[^\s{}]+$", examples=["#alerts"])] | None = None
