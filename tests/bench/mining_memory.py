"""Memory of mining a log of a million events, in a process of its own: prints its peak in MiB, early and at the end."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from typing import Any

import numpy as np

from services.events.domain.miner_process import Session
from services.events.mining.counters import Counters

EVENTS = 1_000_000
BATCH = 10_000
# What the worker keeps of a log: `FLOYO_MINING_EVENTS`, and at most one chunk more.
WINDOW = 210_000
PEOPLE = 200


def batches() -> Iterator[tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Made activity in order of time: where it begins, actors, tokens, seconds."""
    random = np.random.default_rng(1)
    for begin in range(0, EVENTS, BATCH):
        times = begin * 60.0 + np.sort(random.uniform(0, 60.0 * BATCH, BATCH))
        yield begin, random.integers(0, PEOPLE, BATCH), random.zipf(1.4, BATCH) % 300, times


def rows(begin: int, actors: Any, tokens: Any, times: Any) -> list[list[Any]]:
    """The batch as the worker keeps it: [id, actor, source, type, subject, data, seconds, position, detail]."""
    data = '{"path": "/srv/projects/reports/quarter.ods", "size": 20480, "note": "made for measuring memory"}'
    return [
        [position.to_bytes(16), f"person{actor}", "desk", f"act{token}", f"file{token}.ods", data, time, position, None]
        for position, (actor, token, time) in enumerate(
            zip(actors.tolist(), tokens.tolist(), times.tolist(), strict=True), start=begin
        )
    ]


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Counts all of it in batches; mines the first full window and the last, each as a job of the worker does."""
    counters = Counters(watermark=3600.0)
    session, held, early = Session(), 0, 0.0
    for begin, actors, tokens, times in batches():
        counters.add(actors.astype(np.int64), tokens.astype(np.int64), times)
        if held >= WINDOW and begin < EVENTS - WINDOW:
            continue
        if held >= WINDOW:
            session, held = Session(), 0
        session.add(rows(begin, actors, tokens, times))
        held += BATCH
        if held == WINDOW:
            session.mine()
            early = early or peak()
    print(json.dumps({"early": early, "end": peak(), "pairs": len(counters.pairs()), "lost": counters.dropped}))


if __name__ == "__main__":
    main()
