"""The rows of one run: what is stored of each step, and the small readings that the state machine makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.workflows.domain.plan import Node, Scope
from services.workflows.step import Branch, StepStatus

LARGEST = 4 << 20
ASIDE = 256 << 10
ENDED = frozenset({"succeeded", "failed", "skipped", "cancelled"})


@dataclass(slots=True)
class Row:
    """What is stored of one step of one run; `key` tells it apart inside foreach and parallel."""

    key: str
    step_id: str
    type: str
    status: StepStatus = "pending"
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    due_at: datetime | None = None
    input: Any = None
    output: Any = None
    error: dict[str, Any] | None = None
    state: Any = None
    aside: int | None = None

    @property
    def is_absent(self) -> bool:
        """Whether the output is kept aside and has not been read yet."""
        return self.aside is not None and self.output is None


@dataclass(frozen=True, slots=True)
class Run:
    """What a claimed run brings along."""

    id: UUID
    organization_id: UUID
    workflow_id: UUID
    version: int
    token: int
    dry_run: bool
    depth: int
    trace_id: str
    trigger: Mapping[str, Any]
    event: Mapping[str, Any] | None
    input: Any
    created_at: datetime
    started_at: datetime
    signals: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A list of steps at work: the run's own, or one branch of a step inside it."""

    prefix: str
    scope: Scope
    names: Mapping[str, Any]
    above: "Place | None" = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A step that may be called now."""

    key: str
    node: Node
    place: Place
    row: Row


def write_branch(branch: Branch) -> dict[str, Any]:
    """Answer a branch as it is stored in its step's state."""
    return {"scope": branch.scope, "names": dict(branch.names)}


def last(rows: Mapping[str, Row], prefix: str, scope: Scope) -> Row | None:
    """Answer the last step of a list, in the order written, that succeeded: its output is the list's."""
    for name in reversed(list(scope.nodes)):
        row = rows.get(prefix + name)
        if row is not None and row.status == "succeeded":
            return row
    return None


def weigh(output: Any) -> tuple[int, tuple[str, str] | None]:
    """Answer the size of an output in bytes, and why it cannot be kept, if it cannot."""
    try:
        size = len(orjson.dumps(output))
    except (TypeError, ValueError, RecursionError):
        return 0, ("output-invalid", "the output is no JSON value")
    if size > LARGEST:
        return size, ("output-too-large", f"the output has {size} bytes; {LARGEST} are allowed")
    return size, None
