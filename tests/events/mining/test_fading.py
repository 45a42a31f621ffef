"""Fading counts are exact whatever the order, halve when they should, and let go of what is long past."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.mining import fading
from services.events.mining.activity import from_events
from services.events.mining.counters import Counters
from services.events.mining.miner import survey
from services.events.mining.options import DAY

TODAY = 20_000


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(TODAY - 600, TODAY), max_size=60), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_the_order(days: list[int], chance: object) -> None:
    mixed = list(days)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    parts = [mixed[begin : begin + 7] for begin in range(0, len(mixed), 7)]
    whole = fading.weights(np.array(days, dtype=np.int64)).sum()
    assert sum(fading.weights(np.array(part, dtype=np.int64)).sum() for part in parts) == whole


@pytest.mark.parametrize("half_life", [fading.HALF_LIFE_DAYS, fading.RELATION_HALF_LIFE_DAYS])
def test_a_count_halves_in_its_half_life(half_life: int) -> None:
    ten = np.array([fading.weights(np.full(10, TODAY), half_life).sum()])
    assert fading.worth(ten, TODAY, half_life).tolist() == [10.0]
    assert fading.worth(ten, TODAY + half_life, half_life).tolist() == [5.0]
    later = fading.worth(ten, TODAY + half_life // 2, half_life)
    assert later == pytest.approx([10 * 2**-0.5], rel=0.02)


def test_what_is_steady_is_alive_and_what_has_stopped_fades() -> None:
    steady = np.arange(0.0, 100.0) * DAY
    assert fading.recency(steady, 0.0, 100 * DAY) == pytest.approx(1.0, abs=0.02)
    assert fading.recency(steady[:50], 0.0, 100 * DAY) == pytest.approx(0.5, abs=0.03)
    assert fading.faded(steady[:1], 30 * DAY) == 0.5


def test_counters_forget_pairs_that_are_long_past() -> None:
    counters = Counters(watermark=0.0)
    for day, tokens in ((0, (0, 1)), (300, (2, 3))):
        times = np.array([day * DAY, day * DAY + 5.0])
        counters.add(np.zeros(2, dtype=np.int64), np.array(tokens, dtype=np.int64), times)
    assert counters.alive(300).select("first", "last", "recent").rows() == [(2, 3, 1.0)]
    assert len(counters.pairs()) == 2
    assert counters.retire(300) == 1
    assert counters.pairs().select("first", "last").rows() == [(2, 3)]
    assert counters.retire(300) == 0


def days_of(kind: str, days: range, actor: str = "ann") -> list[dict[str, object]]:
    return [
        {"source": "app", "type": f"{kind}{step}", "actor": actor, "time": day * DAY + 40.0 * step}
        for day in days
        for step in range(3)
    ]


def test_a_routine_that_stopped_long_ago_is_told_no_more_and_a_fading_one_ranks_lower() -> None:
    old, fresh = days_of("old", range(8)), days_of("new", range(330, 345))
    assert {step.type for pattern in survey(from_events(old)) for step in pattern.steps} >= {"old0"}
    found = survey(from_events(old + fresh))
    assert {step.type[:3] for pattern in found for step in pattern.steps} == {"new"}
    two = survey(from_events(days_of("one", range(30)) + days_of("two", range(15, 45), "bob")))
    first, second = (next(one for one in two if one.kind == "sequence" and one.steps[0].type == name)
                     for name in ("two0", "one0"))  # fmt: skip
    assert first.recency > second.recency
    assert first.score > second.score
