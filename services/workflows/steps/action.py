"""action: one action of an integration, with the credentials that only the integrations service can open."""

from typing import Annotated, Any

from pydantic import Field

from services.workflows.step import Context, Done, Inputs, Outcome, Step


class Action(Inputs):
    """`integration` is the id or name of one of the organisation's integrations."""

    integration: Annotated[str, Field(min_length=1, max_length=200)]
    action: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    input: dict[str, Any] = Field(default_factory=dict)


async def run(inputs: Action, context: Context) -> Outcome:
    """Answer what the action answers."""
    return Done(await context.integrations.action(context, inputs.integration, inputs.action, inputs.input))


STEP = Step(type="action", inputs=Action, run=run, effect=True)
