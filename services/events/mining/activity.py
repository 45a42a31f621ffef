"""What the miner reads: parallel columns, one row an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.events.mining.subjects import detail

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Activities:
    """Columns of one length n, in any order; row numbers are the input indexes that evidence cites.

    actors: n names, None for events without an actor; sources, types: n strings; subjects: n strings or None;
    times: float64 seconds since the epoch; positions: int64, breaks ties of time; offsets: seconds that the actor's
    clock was ahead of UTC, 0 where absent.
    """

    actors: Sequence[str | None]
    sources: Sequence[str]
    types: Sequence[str]
    subjects: Sequence[str | None]
    times: Floats
    positions: Ints
    offsets: Floats | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def local(self) -> Floats:
        """Times (n,) by the actors' clocks."""
        return self.times if self.offsets is None else self.times + self.offsets

    def select(self, rows: Ints) -> Activities:
        """The given rows, in the given order; indexes start anew."""
        chosen = rows.tolist()
        return Activities(
            [self.actors[row] for row in chosen],
            [self.sources[row] for row in chosen],
            [self.types[row] for row in chosen],
            [self.subjects[row] for row in chosen],
            self.times[rows],
            self.positions[rows],
            None if self.offsets is None else self.offsets[rows],
        )

    def without(self, actor: str) -> Activities:
        """Everything but the given actor's rows."""
        return self.select(np.flatnonzero([name != actor for name in self.actors]))


def seconds(time: str | datetime | float) -> float:
    """Seconds since the epoch of an RFC 3339 text, an aware datetime or a number of seconds."""
    if isinstance(time, datetime):
        return time.timestamp()
    if isinstance(time, str):
        return datetime.fromisoformat(time).timestamp()
    return float(time)


def from_events(events: Iterable[Mapping[str, Any]]) -> Activities:
    """Columns from events as the API shows them (source, type, actor, subject, time, data), in the order received."""
    rows = list(events)
    return Activities(
        [row.get("actor") for row in rows],
        [row["source"] for row in rows],
        [row["type"] for row in rows],
        [detail(row) for row in rows],
        np.array([seconds(row["time"]) for row in rows], dtype=np.float64),
        np.arange(len(rows), dtype=np.int64),
    )
