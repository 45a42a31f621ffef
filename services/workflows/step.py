"""The contract of a step type: what a module in `steps/` offers, and what it gets to work with.

A new step type is one file in `steps/` that names one `STEP`, and one test that inherits the contract test. It
imports this module and `shared`, nothing else. A run may be taken over by another worker at any moment, so a step
keeps nothing between calls but what it hands back in `Waiting.state`, and each effect carries `Context.key`.
"""

import importlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

from shared import registry


class Inputs(BaseModel):
    """Base of a step type's `with`: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


InputsModel = type[Inputs]


def _compiles(source: str, info: ValidationInfo) -> str:
    if info.context is not None:
        info.context["compile"](source)
    return source


Cel = Annotated[str, AfterValidator(_compiles)]
"""A field that holds a CEL condition; it is compiled when the workflow is saved. List it in `Step.verbatim`."""


@dataclass(frozen=True, slots=True)
class Done:
    """The step succeeded; `skip` names steps of the same list that are not to run."""

    output: Any = None
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """It may work later: tried again by the step's retry policy, no sooner than `after` seconds.

    `counts` is False when the platform itself was at fault: for an hour that costs the step no attempt.
    """

    type: str
    detail: str
    after: float = 0.0
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not work however often it is tried."""

    type: str
    detail: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A list of steps that runs by itself, with names of its own beside those of the step that waits for it."""

    scope: int
    names: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The step holds no slot until something happens; `state` is what it finds again in `Context.state`.

    It is called again at `until`, or sooner when `run.poke` names it; with `branches` it ends when they have ended,
    `limit` of them at a time, and its output is the list of their outputs.
    """

    until: datetime | None = None
    state: Any = None
    branches: tuple[Branch, ...] = ()
    limit: int = 10


Outcome = Done | Retry | Failed | Waiting


class Integrations(Protocol):
    """The only way to users' targets; problems rise as shared.errors.FloyoError with `retryable` among extensions."""

    async def http(self, context: "Context", request: Mapping[str, Any]) -> dict[str, Any]:
        """Perform one HTTP call: answers {status, headers, body}."""

    async def action(self, context: "Context", integration: str, action: str, given: Any) -> Any:
        """Perform one action of an integration: answers its output."""


class Platform(Protocol):
    """What a step may ask of Floyo itself; each call is effective once for a key."""

    async def emit(self, context: "Context", event: Mapping[str, Any]) -> dict[str, Any]:
        """Record an event: answers {id}."""

    async def start(self, context: "Context", workflow_id: UUID, given: Any, *, version: int | None = None) -> UUID:
        """Start a run of another workflow, at its present version or that one: answers its id, the same for a key."""

    async def outcome(self, context: "Context", run_id: UUID) -> dict[str, Any] | None:
        """Answer {status, output, error} of a run that ended, None while it has not."""

    async def ask(
        self,
        context: "Context",
        approvers: Sequence[str],
        required: int,
        expires: datetime,
        form: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """Open or look up this step's approval: answers {status, decisions[]}."""


@dataclass(frozen=True, slots=True)
class Context:
    """What one call of a step gets to work with; `key` is the same for every attempt of this step of this run."""

    organization_id: UUID
    run_id: UUID
    workflow_id: UUID
    step_id: str
    key: str
    attempt: int
    dry_run: bool
    depth: int
    timeout_seconds: float
    now: datetime
    names: Mapping[str, Any]
    state: Any
    holds: Callable[[str], bool]
    integrations: Integrations
    platform: Platform


@dataclass(frozen=True, slots=True)
class Step:
    """One step type.

    `verbatim` names fields of `with` that are not templates; `targets` answers the ids of steps it chooses between;
    `scopes` the lists of steps inside it, with the names that they see besides; `effect` says that it reaches beyond
    this service, so that a dry run never performs it for real; `pure` that it waits for nothing and leaves nothing.
    """

    type: str
    inputs: InputsModel
    run: Callable[[Any, Context], Awaitable[Outcome]]
    effect: bool = False
    pure: bool = False
    verbatim: frozenset[str] = frozenset()
    targets: Callable[[Mapping[str, Any]], Iterable[str]] = lambda _: ()
    scopes: Callable[[Mapping[str, Any]], Sequence[tuple[Any, str, frozenset[str]]]] = lambda _: ()


@cache
def catalog() -> Mapping[str, Step]:
    """Every step type by its name, discovered in the package `steps`."""
    package = importlib.import_module("services.workflows.steps")
    return {item.type: item for item in registry.discover(package, "STEP", Step).values()}


StepStatus = Literal["pending", "running", "waiting", "succeeded", "failed", "skipped", "cancelled"]
