"""delay: waits for a length of time or until a moment, holding no slot meanwhile."""

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, Field, model_validator

from services.workflows.step import Context, Done, Inputs, Outcome, Step, Waiting
from shared.durations import LONGEST, Duration


class Delay(Inputs):
    """Exactly one of `for` (PT5M) and `until` (2026-12-24T18:00:00Z)."""

    length: Duration | None = Field(default=None, alias="for")
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Delay":
        if (self.length is None) == (self.until is None):
            raise ValueError("name either for or until")
        return self


async def run(inputs: Delay, context: Context) -> Outcome:
    """Wait until the moment that the first call fixed; answer {until}."""
    until = _fixed(context.state) or inputs.until or context.now + (inputs.length or LONGEST)
    until = min(until.astimezone(UTC), context.now + LONGEST)
    if until <= context.now:
        return Done({"until": until.isoformat()})
    return Waiting(until=until, state={"until": until.isoformat()})


def _fixed(state: Any) -> datetime | None:
    return datetime.fromisoformat(state["until"]) if state else None


STEP = Step(type="delay", inputs=Delay, run=run, pure=True)
