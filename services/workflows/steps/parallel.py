"""parallel: runs several lists of steps at the same time; its output is the list of their outputs."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from services.workflows.step import Branch, Context, Inputs, Outcome, Step, Waiting

Steps = Annotated[list[Any], Field(min_length=1)]


class Parallel(Inputs):
    """`branches` is a list of lists of steps."""

    branches: Annotated[list[Steps], Field(min_length=1, max_length=100)]


def scopes(given: Mapping[str, Any]) -> Sequence[tuple[Any, str, frozenset[str]]]:
    """Each branch is a list of steps."""
    branches = given.get("branches")
    found = branches if isinstance(branches, list) else []
    return [(steps, f"/branches/{index}", frozenset()) for index, steps in enumerate(found)]


async def run(inputs: Parallel, _context: Context) -> Outcome:
    """Wait for every branch."""
    count = len(inputs.branches)
    return Waiting(branches=tuple(Branch(index) for index in range(count)), limit=count)


STEP = Step(type="parallel", inputs=Parallel, run=run, pure=True, verbatim=frozenset({"branches"}), scopes=scopes)
