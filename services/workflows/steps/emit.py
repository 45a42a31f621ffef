"""emit: records an event, which may start other workflows."""

from typing import Annotated, Any

from pydantic import Field

from services.workflows.step import Context, Done, Inputs, Outcome, Step

Text = Annotated[str, Field(min_length=1, max_length=255)]


class Emit(Inputs):
    """What the event says; its id is the step's key, so that it is recorded once."""

    source: Text
    type: Text
    subject: Text | None = None
    data: dict[str, Any] = Field(default_factory=dict)


async def run(inputs: Emit, context: Context) -> Outcome:
    """Answer {id}; a dry run records nothing."""
    return Done(await context.platform.emit(context, inputs.model_dump(exclude_none=True)))


STEP = Step(type="emit", inputs=Emit, run=run, effect=True)
