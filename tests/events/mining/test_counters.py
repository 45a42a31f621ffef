"""Counting in batches equals counting at once, late events included; an erased actor was never seen."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.mining.counters import Counters

Rows = list[tuple[int, int, float]]
events = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from([0.0, 1.0, 20.0, 400.0, 1900.0, 40000.0])),
    max_size=80,
)


def timed(steps: list[tuple[int, int, float]]) -> Rows:
    time, rows = 0.0, []
    for actor, token, pause in steps:
        time += pause
        rows.append((actor, token, time))
    return rows


def counted(batches: list[Rows], watermark: float = 0.0) -> Counters:
    counters = Counters(watermark=watermark)
    for batch in batches:
        actors, tokens, times = (list(column) for column in zip(*batch, strict=True)) if batch else ([], [], [])
        counters.add(np.array(actors, dtype=np.int64), np.array(tokens, dtype=np.int64), np.array(times, dtype=float))
    counters.flush()
    return counters


def same(one: Counters, other: Counters) -> bool:
    return one.pairs().equals(other.pairs()) and one.tokens().equals(other.tokens())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(events, st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_any_batches_count_the_same(steps: list[tuple[int, int, float]], sizes: list[int]) -> None:
    rows = timed(steps)
    cuts = np.cumsum(sizes).tolist()
    batches = [rows[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    assert same(counted(batches), counted([rows]))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(events, st.randoms(use_true_random=False))
def test_late_events_within_the_watermark_count_as_if_in_time(
    steps: list[tuple[int, int, float]], chance: object
) -> None:
    rows = [(actor, token, time + place * 1e-3) for place, (actor, token, time) in enumerate(timed(steps))]
    arrival = sorted(rows, key=lambda row: row[2] + chance.uniform(0, 3000))  # type: ignore[attr-defined]
    batches = [arrival[begin : begin + 7] for begin in range(0, len(arrival), 7)]
    assert same(counted(batches, watermark=3600.0), counted([rows]))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(events, st.integers(0, 2))
def test_an_erased_actor_was_never_seen(steps: list[tuple[int, int, float]], actor: int) -> None:
    rows = timed(steps)
    counters = counted([rows[:30], rows[30:]])
    counters.erase(actor)
    assert same(counters, counted([[row for row in rows if row[0] != actor]]))


def test_delays_days_and_neighbours_are_counted() -> None:
    rows = [(0, token, day * 86400.0 + 10 * token) for day in range(3) for token in range(3)]
    pairs = counted([rows]).pairs()
    far = pairs.filter((pl.col("first") == 0) & (pl.col("last") == 2)).row(0, named=True)
    assert (far["count"], far["adjacent"], far["days"], far["bin5"]) == (3, 0, 3, 3)
    near = pairs.filter((pl.col("first") == 0) & (pl.col("last") == 1)).row(0, named=True)
    assert (near["count"], near["adjacent"], near["bin4"]) == (3, 3, 3)


def test_a_full_table_loses_the_rarest_pairs_and_says_how_many() -> None:
    random = np.random.default_rng(1)
    counters = Counters(watermark=0.0, most_pairs=5_000)
    for batch in range(12):
        times = batch * 1e6 + np.sort(random.uniform(0, 1e6, 10_000))
        counters.add(random.integers(0, 5, 10_000), random.integers(0, 300, 10_000), times)
    assert counters.dropped > 0
