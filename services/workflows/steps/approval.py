"""approval: waits until enough people have approved, one has rejected, or the time is up."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from services.workflows.step import Context, Done, Failed, Inputs, Outcome, Step, Waiting
from shared.durations import Duration


class Question(Inputs):
    """One thing to fill in with an approval; `choices` are those of a choice."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    type: Literal["text", "number", "boolean", "choice"] = "text"
    label: Annotated[str, Field(max_length=200)] = ""
    required: bool = False
    choices: Annotated[tuple[str, ...], Field(max_length=100)] = ()


class Approval(Inputs):
    """`approvers` are user ids and roles; empty means whoever may approve. `required` is how many must agree."""

    approvers: Annotated[tuple[UUID | Literal["owner", "admin", "member"], ...], Field(max_length=100)] = ()
    required: int = Field(default=1, ge=1, le=100)
    expires: Duration = timedelta(days=7)
    form: Annotated[tuple[Question, ...], Field(max_length=20)] = ()


async def run(inputs: Approval, context: Context) -> Outcome:
    """Answer {decision, decisions[{by, decision, comment, answers?}]}; a rejection or the end of time fails it."""
    expires = datetime.fromisoformat(context.state["expires"]) if context.state else context.now + inputs.expires
    approvers = [str(item) for item in inputs.approvers]
    form = [item.model_dump(mode="json") for item in inputs.form]
    found = await context.platform.ask(context, approvers, inputs.required, expires, form)
    if found["status"] == "approved":
        return Done({"decision": "approve", "decisions": found["decisions"]})
    if found["status"] == "rejected":
        return Failed("rejected", f"rejected by {found['decisions'][-1]['by']}")
    if found["status"] == "withdrawn":
        return Failed("withdrawn", "the question was withdrawn")
    if found["status"] == "expired" or context.now >= expires:
        return Failed("expired", "nobody decided in time")
    return Waiting(until=expires, state={"expires": expires.isoformat()})


STEP = Step(type="approval", inputs=Approval, run=run, effect=True)
