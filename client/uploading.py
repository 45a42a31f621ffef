"""Sends events in batches while they are read: constant memory, and sending again adds nothing."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from client import wire
from client.api import Floyo

BATCH = 2_000
_AHEAD = 2
_BATCH_BYTES = 4 * 2**20
_MOST_KEPT = 1_000
Batch = list[dict[str, Any]]


@dataclass(frozen=True)
class Refused:
    """An event that the service did not take; `index` counts the source's events from 0."""

    index: int
    id: str | None
    type: str
    detail: str


@dataclass
class Summary:
    """What became of an import so far; of the refused the first thousand are kept."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    refused: list[Refused] = field(default_factory=list)


def upload(
    floyo: Floyo,
    events: Iterable[dict[str, Any]],
    *,
    size: int = BATCH,
    summary: Summary | None = None,
    progress: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Send all events; raises FloyoProblem, and `summary` then tells how far it came."""
    total = summary or Summary()
    for batch in _ahead(batches(events, size)):
        answer = floyo.events.batch(batch)
        for item in answer["rejected"]:
            if len(total.refused) < _MOST_KEPT:
                event = batch[item["index"]]
                refused = Refused(total.read + item["index"], event.get("id"), item["type"], item["detail"])
                total.refused.append(refused)
        total.read += len(batch)
        total.accepted += answer["accepted"]
        total.duplicates += answer["duplicates"]
        total.rejected += len(answer["rejected"])
        progress(total)
    return total


def _ahead(made: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, the next ones read while one is under way; what reading raises is raised in its place."""
    with ThreadPoolExecutor(1) as reader:
        coming = deque(reader.submit(next, made, None) for _ in range(_AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(reader.submit(next, made, None))
            yield batch


def batches(events: Iterable[dict[str, Any]], size: int = BATCH) -> Iterator[list[dict[str, Any]]]:
    """Groups of at most `size` events and about 4 MiB."""
    batch: list[dict[str, Any]] = []
    weight = 0
    for event in events:
        cost = len(wire.encode(event)) + 1
        if batch and (len(batch) >= size or weight + cost > _BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(event)
        weight += cost
    if batch:
        yield batch
