"""switch: runs the steps of the first case whose CEL condition holds, or those of the default."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from services.workflows.step import Cel, Context, Done, Inputs, Outcome, Step


class Case(Inputs):
    """`then` holds ids of steps of the same list."""

    when: Cel
    then: tuple[str, ...]


class Switch(Inputs):
    """Cases in order; `default` holds ids too."""

    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=100)]
    default: tuple[str, ...] = ()


def targets(given: Mapping[str, Any]) -> Iterable[str]:
    """The ids of every case and of the default, as far as they are lists of text."""
    cases = given.get("cases", ())
    lists = [case.get("then", ()) for case in cases if isinstance(case, dict)] if isinstance(cases, list) else []
    for found in (*lists, given.get("default", ())):
        if isinstance(found, list | tuple):
            yield from (item for item in found if isinstance(item, str))


async def run(inputs: Switch, context: Context) -> Outcome:
    """Answer {case}, the number of the case that held (from 0) or null, and skip the others' steps."""
    held = next((index for index, case in enumerate(inputs.cases) if context.holds(case.when)), None)
    chosen = inputs.default if held is None else inputs.cases[held].then
    every = dict.fromkeys(name for case in inputs.cases for name in case.then) | dict.fromkeys(inputs.default)
    return Done({"case": held}, skip=tuple(name for name in every if name not in chosen))


STEP = Step(type="switch", inputs=Switch, run=run, pure=True, verbatim=frozenset({"cases", "default"}), targets=targets)
