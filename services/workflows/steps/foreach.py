"""foreach: runs a list of steps once for each item, so many at a time; its output is the list of their outputs."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from services.workflows.step import Branch, Context, Done, Failed, Inputs, Outcome, Step, Waiting

MOST_ITEMS = 5_000
_RESERVED = frozenset({"trigger", "input", "steps", "run", "event", "index"})


def _free(name: str) -> str:
    if name in _RESERVED:
        raise ValueError("this name means something else already")
    return name


class Foreach(Inputs):
    """`steps` see the item under the name `as`, and its place (from 0) as `index`."""

    items: list[Any]
    name: Annotated[str, Field(alias="as", pattern=r"^[a-z][a-z0-9_]{0,31}$"), AfterValidator(_free)] = "item"
    steps: Annotated[list[Any], Field(min_length=1)]
    concurrency: int = Field(default=10, ge=1, le=100)


def scopes(given: Mapping[str, Any]) -> Sequence[tuple[Any, str, frozenset[str]]]:
    """The one list of steps inside, and the names that it sees."""
    name = given.get("as", "item")
    return [(given.get("steps", []), "/steps", frozenset({name, "index"} if isinstance(name, str) else {"index"}))]


async def run(inputs: Foreach, _context: Context) -> Outcome:
    """Wait for a branch an item."""
    if len(inputs.items) > MOST_ITEMS:
        return Failed("limit-exceeded", f"foreach goes over at most {MOST_ITEMS} items")
    if not inputs.items:
        return Done([])
    branches = tuple(Branch(0, {inputs.name: item, "index": index}) for index, item in enumerate(inputs.items))
    return Waiting(branches=branches, limit=inputs.concurrency)


STEP = Step(type="foreach", inputs=Foreach, run=run, pure=True, verbatim=frozenset({"steps", "as"}), scopes=scopes)
