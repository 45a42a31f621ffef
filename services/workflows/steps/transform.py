"""transform: reshapes what earlier steps answered; the mapping in `output` is its whole work."""

from typing import Any

from services.workflows.step import Context, Done, Inputs, Outcome, Step


class Transform(Inputs):
    """`output` is any JSON value with `{{ … }}` in it."""

    output: Any


async def run(inputs: Transform, _context: Context) -> Outcome:
    """Answer the rendered value."""
    return Done(inputs.output)


STEP = Step(type="transform", inputs=Transform, run=run, pure=True)
