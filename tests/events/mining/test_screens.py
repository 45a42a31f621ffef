"""Recordings in which several routines come one after another or in turn are cut where each run begins."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

from services.events.mining import routines, segments
from services.events.mining.activity import Floats, Ints

TWO = ([0, 1, 2, 3, 4, 5, 6, 7, 8], [20, 21, 22, 23, 24, 25, 26])


@dataclass(frozen=True)
class Log:
    """A recording: codes and times (n,), cases (n,) with -1 for strays."""

    codes: Ints
    times: Floats
    cases: Ints


def recording(kinds: list[int], noise: float, seed: int = 1) -> Log:
    """Runs of TWO in the order of `kinds`; a share of events is left out or preceded by a stray one, half each."""
    random_ = random.Random(seed)
    rows: list[tuple[int, float, int]] = []
    time = 0.0
    for case, kind in enumerate(kinds):
        time += 10.0
        for action in TWO[kind]:
            time += random_.expovariate(0.3)
            draw = random_.random()
            if draw < noise / 2:
                continue
            if draw < noise:
                rows.append((random_.choice(TWO[0] + TWO[1]), time, -1))
            rows.append((action, time, case))
    codes, times, cases = zip(*rows, strict=True)
    return Log(np.array(codes), np.array(times), np.array(cases))


def closeness(log: Log) -> float:
    """The mean Jaccard's index of true cases with the nearest found run."""
    runs = [set(run) for routine in routines.discover(log.codes, log.times) for run in routine.runs]
    cases = [set(np.flatnonzero(log.cases == case).tolist()) for case in range(int(log.cases.max()) + 1)]
    return float(np.mean([max(len(run & case) / len(run | case) for run in runs) for case in cases]))


IN_TURN = random.Random(3).choices([0, 1], k=150)
ONE_AFTER_ANOTHER = [0] * 100 + [1] * 50


@pytest.mark.parametrize("kinds", [IN_TURN, ONE_AFTER_ANOTHER], ids=["in turn", "one after another"])
@pytest.mark.parametrize(("noise", "least"), [(0.0, 1.0), (0.1, 0.93)])
def test_runs_of_two_routines_are_told_apart(kinds: list[int], noise: float, least: float) -> None:
    log = recording(kinds, noise)
    found = routines.discover(log.codes, log.times)
    assert {tuple(steps) for steps in TWO} <= {routine.steps for routine in found}
    assert closeness(log) >= least


def test_a_routine_that_is_never_twice_the_same_is_found() -> None:
    log = recording([0] * 40, 0.0)
    random_ = random.Random(5)
    codes = log.codes.copy()
    for case in range(40):
        places = np.flatnonzero(log.cases == case)
        codes[random_.choice(places[1:].tolist())] = 50 + case
    found = routines.discover(codes, log.times)
    assert sum(len(routine.runs) for routine in found) >= 38


def test_nothing_and_little_have_no_routines() -> None:
    assert routines.discover(np.zeros(0, dtype=np.int64), np.zeros(0)) == []
    assert routines.discover(np.arange(50), np.arange(50.0)) == []


def test_torn_runs_are_joined_and_long_ones_parted() -> None:
    codes = np.array([0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
    known = segments.likeness(codes, [(0, 1, 2, 3, 4)])
    assert segments.mend(known, [(0, 2), (2, 5), (5, 10)], 0.72) == [(0, 5), (5, 10)]
    assert segments.split(known, [(0, 10)], 0.72, 3) == [(0, 5), (5, 10)]
    places, near = known.nearest([(0, 5), (0, 10)])
    assert (places.tolist(), near.tolist()) == ([0, 0], [1.0, 0.5])
