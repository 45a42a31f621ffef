"""What led to what: events that a run emits name it, and how long the chain is that began with it.

The chain goes on through whoever hands the two attributes on: a run that such an event starts stands one deeper.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

DEEPEST = 16
MOST_NESTED = 8
HEADER = "Floyo-Cause"


@dataclass(frozen=True, slots=True)
class Cause:
    """The run that an event came from, and its depth."""

    run_id: str
    depth: int


def read(event: Mapping[str, Any]) -> Cause | None:
    """The cause that an event names, if it names one that is sound."""
    extensions = event.get("extensions")
    if not isinstance(extensions, Mapping):
        return None
    run_id, depth = extensions.get("floyorun"), extensions.get("floyodepth")
    if not isinstance(depth, int) or isinstance(depth, bool) or not 0 <= depth <= 1_000:
        return None
    try:
        return Cause(str(UUID(str(run_id))), depth)
    except ValueError:
        return None


def write(run_id: UUID, depth: int) -> dict[str, Any]:
    """What the events service keeps of the run that emits."""
    return {"run_id": str(run_id), "depth": depth}


def value(run_id: UUID, depth: int) -> str:
    """What `Floyo-Cause` says of a run."""
    return f"run={run_id};depth={depth}"


def mark(headers: Mapping[str, str], run_id: UUID, depth: int) -> dict[str, str]:
    """Headers with the one that requests of a run carry, for receivers that tell on; a step cannot say otherwise."""
    others = {name: text for name, text in headers.items() if name.lower() != HEADER.lower()}
    return {**others, HEADER: value(run_id, depth)}
