"""A workflow's definition as it is written: trigger, limits and steps; nothing unknown is accepted."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.workflows.domain.names import Name, StepId
from shared import clock
from shared.durations import Duration

MOST_STEPS = 1_000
ShortText = Annotated[str, Field(min_length=1, max_length=255)]
Condition = Annotated[str, Field(min_length=1, max_length=1_000)]


class Strict(BaseModel):
    """Base of everything a definition consists of."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)


class Match(Strict):
    """Which events concern a trigger: fields equal or matching a glob, then a condition on the event."""

    source: ShortText | None = None
    type: ShortText | None = None
    subject: ShortText | None = None
    where: Condition | None = None

    @model_validator(mode="after")
    def _names_something(self) -> "Match":
        if not any((self.source, self.type, self.subject, self.where)):
            raise ValueError("name at least one of source, type, subject and where")
        return self


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("not the name of a time zone") from None
    return name


def _sound_cron(text: str) -> str:
    try:
        next(CronSim(text, clock.now()))
    except (CronSimError, StopIteration):
        raise ValueError("not a cron expression that ever comes due") from None
    return text


class ManualTrigger(Strict):
    """Started by a person or a program through the API."""

    type: Literal["manual"]


class ScheduleTrigger(Strict):
    """Started by the clock of a time zone; `catch_up` says which missed slots are made up for."""

    type: Literal["schedule"]
    cron: Annotated[str, Field(max_length=100), AfterValidator(_sound_cron)]
    timezone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] = "UTC"
    catch_up: Literal["none", "one", "all"] = "none"


class IntervalTrigger(Strict):
    """Started again and again, at multiples of `every` since activation; a second at least."""

    type: Literal["interval"]
    every: Annotated[Duration, Field(ge=timedelta(seconds=1))]


class EventTrigger(Strict):
    """Started by each event that matches."""

    type: Literal["event"]
    match: Match


class HookTrigger(Strict):
    """Started by each delivery to an inbound hook of the integrations service."""

    type: Literal["hook"]
    hook: UUID


class AbsenceTrigger(Strict):
    """Started when no event matches for so long; armed by the first one.

    With `after`, armed by each event that matches that, and answered by one that matches `match` and came later; `key`
    keeps apart what belongs apart: an answer with the same key counts, and the run's event is the one not answered.
    """

    type: Literal["absence"]
    match: Match
    within: Duration
    after: Match | None = None
    key: Condition | None = None

    @model_validator(mode="after")
    def _keys_something(self) -> "AbsenceTrigger":
        if self.key is not None and self.after is None:
            raise ValueError("a key needs an 'after'")
        return self


Trigger = Annotated[
    ManualTrigger | ScheduleTrigger | IntervalTrigger | EventTrigger | HookTrigger | AbsenceTrigger,
    Field(discriminator="type"),
]


class Concurrency(Strict):
    """How many runs with the same key go at a time, and what happens to the next."""

    key: Condition | None = None
    limit: int = Field(default=1, ge=1, le=1_000)
    on_limit: Literal["queue", "skip", "cancel_running"] = "queue"


class Throttle(Strict):
    """At most `limit` starts with the same key in any `per`; further ones begin later, in order, or are left out."""

    key: Condition | None = None
    limit: int = Field(default=1, ge=1, le=1_000)
    per: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=31))]
    on_limit: Literal["queue", "skip"] = "queue"


class Debounce(Strict):
    """Starts with the same key that follow each other within `quiet` become one, from the last of them.

    It begins once nothing has come for so long, or `at_most` after the first.
    """

    key: Condition | None = None
    quiet: Annotated[Duration, Field(le=timedelta(days=1))]
    at_most: Annotated[Duration, Field(le=timedelta(days=7))] | None = None


class Retry(Strict):
    """When a failed attempt is repeated: `attempts` counts the first one too."""

    attempts: int = Field(default=4, ge=1, le=100)
    initial: Duration = timedelta(seconds=1)
    factor: float = Field(default=2.0, ge=1.0, le=10.0)
    max: Duration = timedelta(minutes=1)

    def delay(self, attempt: int) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) failed."""
        grown = self.initial.total_seconds() * self.factor ** min(attempt - 1, 64)
        return min(grown, self.max.total_seconds())


class Goto(Strict):
    """Where a run goes on when a step fails: a later step of the same list; what lies between is left out."""

    goto: StepId


class StepDefinition(Strict):
    """One step: what it does, when it runs, and what happens when it fails."""

    id: StepId
    type: Annotated[str, Field(max_length=64)]
    name: Name | None = None
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    if_: Condition | None = Field(default=None, alias="if")
    needs: list[StepId] | None = Field(default=None, max_length=MOST_STEPS)
    retry: Retry = Retry()
    timeout: Annotated[Duration, Field(le=timedelta(hours=1))] = timedelta(seconds=60)
    on_error: Literal["fail", "continue"] | Goto = "fail"


class Definition(Strict):
    """A complete workflow."""

    name: Name
    description: Annotated[str, Field(max_length=2_000)] | None = None
    trigger: Trigger
    concurrency: Concurrency | None = None
    throttle: Throttle | None = None
    debounce: Debounce | None = None
    timeout: Duration | None = None
    steps: list[StepDefinition] = Field(min_length=1, max_length=MOST_STEPS)
