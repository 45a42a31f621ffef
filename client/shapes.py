"""The shapes that the API answers and accepts, as typed dictionaries; timestamps are RFC 3339 texts."""

from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

T = TypeVar("T")
JSON = dict[str, Any]


class FieldFault(TypedDict):
    """One field of a request that was refused; `pointer` is a JSON pointer."""

    pointer: str
    detail: str


class Page(TypedDict, Generic[T]):
    """One page of a list; `next_cursor` is None on the last."""

    items: list[T]
    next_cursor: str | None


class TokenPair(TypedDict):
    """An access token with the refresh token that renews it; `expires_in` is in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    organization_id: str


class NewEvent(TypedDict):
    """An event as it is sent; `id` is the sender's and makes sending it again harmless."""

    source: str
    type: str
    id: NotRequired[str]
    actor: NotRequired[str | None]
    subject: NotRequired[str | None]
    time: NotRequired[str]
    data: NotRequired[Any]


class Event(TypedDict):
    """An event as it is stored."""

    id: str
    external_id: str | None
    source: str
    type: str
    actor: str | None
    subject: str | None
    time: str
    received_at: str
    position: str
    data: Any


class Receipt(TypedDict):
    """The answer to a posted event."""

    id: str
    position: str
    duplicate: NotRequired[bool]


class Rejection(TypedDict):
    """An item of a batch that was not accepted; `index` counts from 0."""

    index: int
    type: str
    detail: str


class BatchResult(TypedDict):
    """What became of a batch."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]


class Job(TypedDict):
    """Work in the background: an upload, mining or an erasure."""

    kind: str
    status: str
    accepted: int
    duplicates: int
    rejected: int
    error: str | None


class Pattern(TypedDict):
    """Something that repeats."""

    id: str
    kind: Literal["sequence", "relation", "habit", "rule"]
    steps: list[Any]
    support: int
    confidence: float
    lift: float | None
    p_value: float | None
    actors: int | list[str]
    median_gap_seconds: float | None
    minutes_per_week: float
    first_seen: str
    last_seen: str
    evidence: list[Any]


class Backtest(TypedDict):
    """How the suggestion would have done on the last part of the history."""

    would_have_fired: int
    matched: int
    missed: int
    wrong: int


class Suggestion(TypedDict):
    """A proposed automation; `workflow` is a complete definition."""

    id: str
    pattern_id: str
    title: str
    reasoning: str
    confidence: float
    minutes_per_week: float
    workflow: JSON
    evidence: list[Any]
    backtest: Backtest
    status: Literal["open", "applied", "dismissed", "bookmarked"]


class Applied(TypedDict):
    """The workflow that a suggestion became."""

    workflow_id: str


class Workflow(TypedDict):
    """A workflow; what is not listed here is its definition."""

    id: str
    version: int
    name: NotRequired[str]
    active: NotRequired[bool]


RunStatus = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]


class StepRun(TypedDict):
    """One step of a run."""

    id: str
    type: str
    status: str
    attempts: int
    started_at: str | None
    finished_at: str | None
    input: Any
    output: Any
    error: Any


class Run(TypedDict):
    """One run of a workflow."""

    id: str
    workflow_id: str
    version: int
    status: RunStatus
    trigger: JSON
    input: Any
    output: Any
    error: JSON | None
    dry_run: bool
    cause: Any
    trace_id: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    steps: list[StepRun]


class Integration(TypedDict):
    """A configured connector; its secrets are never answered."""

    id: str
    connector: str
    name: str
    settings: JSON


class LiveMessage(TypedDict):
    """A frame of the live socket; `message` frames carry `data`, `reset` says that history was lost."""

    type: Literal["message", "subscribed", "reset", "error"]
    channel: str
    position: NotRequired[str | None]
    epoch: NotRequired[Any]
    data: NotRequired[Any]
