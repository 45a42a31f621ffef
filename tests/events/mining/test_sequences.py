"""The miner finds exactly what the definitions say, nothing in noise, and what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.events.mining import sequences
from services.events.mining.activity import Activities
from services.events.mining.miner import mine
from services.events.mining.options import Options
from services.events.mining.redundancy import contains
from services.events.mining.sessions import collapse, order
from tests.events.mining import oracle, planted

LENIENT = Options(
    min_support=2, min_days=1, alpha=0.9, block_size=6, neighbourhood_size=9, windows=(60.0,), max_length=4
)
events = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["ann", "bob"]), st.sampled_from([0, 1, 20, 50, 90, 4000])),
    min_size=2,
    max_size=45,
)


def fast(log: Activities, options: Options, level: float) -> dict[tuple[str, ...], tuple[int, float]]:
    names = sorted(set(log.types))
    codes = np.array([names.index(name) for name in log.types], dtype=np.int64)
    sessions = collapse(log, codes, len(names), order(log, options), options)
    found = sequences.find(sessions, options, level)
    return {tuple(names[token] for token in one.tokens): (one.support, one.p_value) for one in found}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(events)
def test_the_set_is_the_oracles(rows: list[tuple[str, str, int]]) -> None:
    time, log_rows = 0.0, []
    for token, actor, pause in rows:
        time += pause
        log_rows.append((time, actor, token))
    log = planted.columns(log_rows)
    judged = oracle.Oracle(log, 60.0, LENIENT).find(0.9)
    found = fast(log, LENIENT, 0.9)
    assert {key: support for key, (support, _) in found.items()} == {
        key: support for key, (support, _) in judged.items()
    }
    for key, (_, p_value) in found.items():
        assert p_value == pytest.approx(judged[key][1], rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_the_set_is_the_oracles_where_there_is_much_to_find(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = planted.noise(random, actors=2, days=5, alphabet=6)[:150]
    rows += planted.plant(random, rows, ("x", "y", "z"), 12)
    log = planted.columns(rows)
    options = Options(min_support=3, min_days=2, windows=(300.0,))
    judged = oracle.Oracle(log, 300.0, options).find(0.2)
    found = fast(log, options, 0.2)
    assert {key: support for key, (support, _) in found.items()} == {
        key: support for key, (support, _) in judged.items()
    }
    assert ("x", "y", "z") in found


def test_nothing_is_found_in_noise() -> None:
    assert sum(bool(mine(planted.empty(seed))) for seed in range(20)) <= 1


def test_nothing_is_found_once_the_order_is_shuffled() -> None:
    logs = [planted.shuffled(planted.generate(seed).activities, seed) for seed in range(20)]
    assert sum(bool(mine(log)) for log in logs) <= 1


def test_planted_routines_are_found_and_little_else() -> None:
    right = wrong = found = all_planted = often = often_found = 0
    for seed in range(300, 310):
        log = planted.generate(seed)
        steps = [tuple(step.type for step in pattern.steps) for pattern in mine(log.activities)]
        right += sum(any(contains(routine, one) for routine in log.routines) for one in steps)
        wrong += sum(not any(contains(routine, one) for routine in log.routines) for one in steps)
        all_planted += len(log.routines)
        found += sum(routine in steps for routine in log.routines)
        often += sum(runs >= 18 for runs in log.routines.values())
        often_found += sum(routine in steps and runs >= 18 for routine, runs in log.routines.items())
    print(f"precision {right / (right + wrong):.3f} recall {found / all_planted:.3f} often {often_found / often:.3f}")
    assert right / (right + wrong) >= 0.98
    assert found / all_planted >= 0.75
    assert often_found / often >= 0.85


def test_a_routine_that_fills_its_sessions_alone_is_found() -> None:
    rows = [(planted.START + day * 86400 + 40.0 * step, "ann", f"s{step}") for day in range(12) for step in range(3)]
    patterns = mine(planted.columns(rows))
    assert [tuple(step.type for step in pattern.steps) for pattern in patterns] == [("s0", "s1", "s2")]


def test_figures_of_a_plain_routine() -> None:
    rows = [(planted.START + day * 86400 + 40.0 * step, "ann", f"s{step}") for day in range(12) for step in range(3)]
    pattern = mine(planted.columns(rows))[0]
    assert (pattern.kind, pattern.support, pattern.confidence, pattern.days) == ("sequence", 12, 1.0, 12)
    assert pattern.median_gap_seconds == 40.0
    assert pattern.gaps == (40.0, 40.0)
    assert pattern.actors == ("ann",)
    assert pattern.certainty < pattern.confidence
    assert pattern.evidence[0] == (0, 1, 2)
    assert pattern.first_seen == planted.START
    weeks = (11 * 86400 + 80) / 604800
    assert pattern.minutes_per_week == pytest.approx(12 / weeks * (80 - 5) / 60)


def test_rows_in_another_order_give_the_same_patterns() -> None:
    log = planted.generate(5).activities
    mixed = log.select(np.random.default_rng(1).permutation(len(log)).astype(np.int64))
    described = [(pattern.steps, pattern.support, pattern.p_value) for pattern in mine(log)]
    assert described == [(pattern.steps, pattern.support, pattern.p_value) for pattern in mine(mixed)]


def test_no_activity_has_no_patterns() -> None:
    assert mine(planted.columns([])) == []
    assert mine(planted.columns([(0.0, "ann", "only")])) == []
