"""How well the runs and routines found in a screen recording are the true ones."""

from __future__ import annotations

import numpy as np

from infra.local.quality.kinds import Recording
from services.events.mining import routines

NAMES = ("mean J", "case J", "coverage")


def judge(log: Recording) -> tuple[float, float, float]:
    """Jaccard's index of found routines with the nearest true variant, of true cases with the nearest found run, and
    the share of the cases' events that runs hold."""
    found = routines.discover(log.codes, log.times)
    runs = [set(run) for routine in found for run in routine.runs]
    owner = {place: number for number, run in enumerate(runs) for place in run}
    truth: dict[int, set[int]] = {}
    for place, case in enumerate(log.cases.tolist()):
        if case >= 0:
            truth.setdefault(case, set()).add(place)
    variants = {frozenset(log.codes[sorted(case)].tolist()) for case in truth.values()}
    by_case = [
        max(
            (_jaccard(case, runs[number]) for number in {owner[place] for place in case if place in owner}), default=0.0
        )
        for case in truth.values()
    ]
    by_routine = [max(_jaccard(set(routine.steps), set(variant)) for variant in variants) for routine in found] or [0.0]
    events = sum(map(len, truth.values()))
    covered = len(owner.keys() & {place for case in truth.values() for place in case}) / max(events, 1)
    return float(np.mean(by_routine)), float(np.mean(by_case or [0.0])), covered


def _jaccard(left: set[int], right: set[int]) -> float:
    return len(left & right) / len(left | right)
