"""condition: runs one list of steps when a CEL condition holds, and another when it does not."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from services.workflows.step import Cel, Context, Done, Inputs, Outcome, Step


class Condition(Inputs):
    """`then` and `else` hold ids of steps of the same list."""

    when: Cel
    then: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = Field(default=(), alias="else")


def targets(given: Mapping[str, Any]) -> Iterable[str]:
    """Both lists, as far as they are lists of text."""
    for name in ("then", "else"):
        found = given.get(name, ())
        if isinstance(found, list | tuple):
            yield from (item for item in found if isinstance(item, str))


async def run(inputs: Condition, context: Context) -> Outcome:
    """Answer {result}, and skip the list that was not chosen."""
    result = context.holds(inputs.when)
    chosen, other = (inputs.then, inputs.otherwise) if result else (inputs.otherwise, inputs.then)
    return Done({"result": result}, skip=tuple(name for name in other if name not in chosen))


STEP = Step(
    type="condition",
    inputs=Condition,
    run=run,
    pure=True,
    verbatim=frozenset({"when", "then", "else"}),
    targets=targets,
)
