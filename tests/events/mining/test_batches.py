"""The worker's reading: any split into batches finds the same of every family, and an erased actor was never seen."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.domain import packing
from services.events.domain.miner_process import Session

DAY = 86400.0
Row = tuple[Any, ...]


def days(actor: str, seed: int, hour: float) -> list[Row]:
    """Forty days with a routine, a habit and two files saved together, in the order of arrival, some late by minutes:
    [id, actor, source, type, subject, data, seconds, position]."""
    random = np.random.default_rng(seed)
    made: list[tuple[float, str, str, str | None]] = []
    for day in range(40):
        start = day * DAY + random.uniform(13, 16) * 3600
        made += [(start + 30.0 * place, "app", f"{actor}-step{place}", None) for place in range(3)]
        made.append((day * DAY + hour * 3600 + random.normal(0, 120), "app", f"{actor}-habit", None))
        saved = day * DAY + 19 * 3600
        files = (
            {f"src/{actor}_parser.py", f"docs/{actor}_parser.md"} if day % 3 == 0 else {f"src/{random.integers(9)}.py"}
        )
        made += [(saved, "git", "file", name) for name in sorted(files)]
        made += [(day * DAY + random.uniform(9, 18) * 3600, "app", f"n{random.integers(12)}", None) for _ in range(8)]
    arrived = sorted(made, key=lambda one: one[0] + random.uniform(0, 3000))
    return [(None, actor, source, kind, subject, None, time, 0) for time, source, kind, subject in arrived]


def numbered(rows: list[Row]) -> list[Row]:
    return [(place.to_bytes(16), *row[1:7], place) for place, row in enumerate(rows)]


def found(batches: list[list[Row]]) -> list[dict[str, Any]]:
    """What is told of the batches, each packed as the worker packs it, the last chunk growing."""
    session = Session()
    for batch in batches:
        half = len(batch) // 2
        session.add(packing.unpack(packing.pack(packing.pack(None, batch[:half]), batch[half:])))
    patterns: list[dict[str, Any]] = session.mine()["patterns"]
    return patterns


ANN, BOB = days("ann", 1, 9.0), days("bob", 2, 11.5)
BOTH = numbered(sorted(ANN + BOB, key=lambda row: row[6]))
WHOLE = found([BOTH])


def test_every_family_is_there() -> None:
    assert {pattern["kind"] for pattern in WHOLE} == {"sequence", "rule", "relation", "habit"}


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, len(BOTH) - 1), min_size=1, max_size=12))
def test_any_batches_find_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(set(cuts)), len(BOTH)]
    assert found([BOTH[begin:end] for begin, end in pairwise(places)]) == WHOLE


def test_an_erased_actor_was_never_seen() -> None:
    left = [row for row in BOTH if row[1] != "bob"]
    never = numbered(sorted(ANN, key=lambda row: row[6]))
    told, alone = found([left]), found([never])
    assert "bob" in str(WHOLE)
    assert "bob" not in str(told)
    for one in (*told, *alone):
        one["evidence"] = len(one["evidence"])
    assert told == alone
