"""workflow: starts a run of another workflow and waits for its end, holding no slot meanwhile."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import Field, StrictInt

from services.workflows.step import Context, Done, Failed, Inputs, Outcome, Step, Waiting

# The end of the other run wakes the step; it looks by itself only in case nobody has heard.
FIRST_LOOK, LAST_LOOK = 0.25, 10.0


class Workflow(Inputs):
    """The workflow to run, at its present version or a pinned one, and its input."""

    id: UUID
    version: StrictInt | None = Field(default=None, ge=1, le=2**31 - 1)
    input: Any = None


async def run(inputs: Workflow, context: Context) -> Outcome:
    """Answer {run_id, output} of the other run; its failure is this step's."""
    if context.state is None:
        started = await context.platform.start(context, inputs.id, inputs.input, version=inputs.version)
        return _look_again(context, str(started), FIRST_LOOK)
    run_id, pause = context.state["run_id"], context.state["pause"]
    ended = await context.platform.outcome(context, UUID(run_id))
    if ended is None:
        return _look_again(context, run_id, min(pause * 2, LAST_LOOK))
    if ended["status"] == "succeeded":
        return Done({"run_id": run_id, "output": ended["output"]})
    error = ended["error"] or {"type": ended["status"], "detail": "it did not succeed"}
    return Failed(error["type"], f"run {run_id}: {error['detail']}")


def _look_again(context: Context, run_id: str, pause: float) -> Waiting:
    return Waiting(until=context.now + timedelta(seconds=pause), state={"run_id": run_id, "pause": pause})


STEP = Step(type="workflow", inputs=Workflow, run=run, effect=True)
