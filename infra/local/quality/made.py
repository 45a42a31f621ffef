"""Rows on made logs: nothing in noise, planted routines and habits found and little else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from infra.local.quality.target import Target
from services.events.mining import habits
from services.events.mining.activity import Activities
from services.events.mining.miner import mine, survey
from services.events.mining.pattern import Pattern
from services.events.mining.redundancy import contains
from tests.events.mining import habitual, planted

OFTEN = 18
LOGS = 20


def noise(seed: int) -> Iterator[Target]:
    """Logs without routines, and logs whose order was drawn at random."""
    empty = sum(bool(mine(planted.empty(seed + number))) for number in range(LOGS))
    yield Target(f"null logs with any pattern, of {LOGS}", empty, 1, most=True)
    logs = [planted.shuffled(planted.generate(seed + number).activities, number) for number in range(LOGS)]
    yield Target(f"shuffled logs with any pattern, of {LOGS}", sum(bool(mine(log)) for log in logs), 1, most=True)
    families = sum(bool(survey(planted.empty(seed + LOGS + number))) for number in range(LOGS))
    yield Target(f"null logs with anything of any family, of {LOGS}", families, 1, most=True)


def routines(seed: int) -> Iterator[Target]:
    """Precision and recall on planted routines."""
    right = wrong = 0
    hits: list[tuple[int, bool]] = []
    for number in range(LOGS):
        log = planted.generate(seed + 400 + number)
        found = [tuple(step.type for step in pattern.steps) for pattern in mine(log.activities)]
        good = sum(any(contains(routine, steps) for routine in log.routines) for steps in found)
        right, wrong = right + good, wrong + len(found) - good
        hits += [(runs, routine in found) for routine, runs in log.routines.items()]
    yield Target("planted routines: precision", right / max(right + wrong, 1), 0.98)
    yield Target("planted routines: recall", float(np.mean([hit for _, hit in hits])), 0.75)
    often = float(np.mean([hit for runs, hit in hits if runs >= OFTEN]))
    yield Target(f"planted routines: recall from {OFTEN} runs", often, 0.85)


def planted_habits(seed: int) -> Iterator[Target]:
    """Precision, recall, and how often the habits found in 70 % of the time hold in the rest."""
    empty = sum(bool(habits.find(habitual.generate(seed + number, habits=0)[0])) for number in range(LOGS))
    yield Target(f"logs without habits with any, of {LOGS}", empty, 0, most=True)
    right = wrong = known = 0
    kept: list[bool] = []
    for number in range(LOGS):
        log, truth = habitual.generate(seed + 30 + number)
        known += len(truth)
        for habit in habits.find(log):
            good = _is_planted(habit, truth)
            right, wrong = right + good, wrong + (not good)
        kept += held(log)
    yield Target("habits: precision", right / max(right + wrong, 1), 0.94)
    yield Target("habits: recall", right / known, 0.68)
    yield Target("habits: held-out days", float(np.mean(kept)), 0.70)


def _is_planted(habit: Pattern, truth: habitual.Habits) -> bool:
    key = (str(habit.actors[0]), habit.steps[0].type)
    near = abs(truth.get(key, np.inf) - float(str(habit.details["minute_of_day"])))
    return near <= float(str(habit.details["plus_minus_minutes"]))


def held(log: Activities) -> list[bool]:
    """For each habit found in the first 70 % of the time, and each later day of its kind on which the actor did
    anything, whether it was kept."""
    cut = float(log.times.min() + 0.7 * np.ptp(log.times))
    early = log.select(np.flatnonzero(log.times <= cut).astype(np.int64))
    return [day for habit in habits.find(early) for day in _held(log, habit, cut)]


def _held(log: Activities, habit: Pattern, cut: float) -> list[bool]:
    kinds = dict(habits.CALENDARS)[str(habit.details["calendar"])]
    middle, reach = (60 * float(str(habit.details[name])) for name in ("minute_of_day", "plus_minus_minutes"))
    mine_ = np.array([actor == habit.actors[0] for actor in log.actors]) & (log.times > cut)
    days = np.floor(log.times / 86400)
    hit = mine_ & np.array([kind == habit.steps[0].type for kind in log.types])
    kept = set(days[hit & (np.abs(log.times % 86400 - middle) <= reach + habits.SLOT)].tolist())
    return [day in kept for day in np.unique(days[mine_]).tolist() if (day + habits.EPOCH_WEEKDAY) % 7 in kinds]


ROWS: tuple[Callable[[int], Iterator[Target]], ...] = (noise, routines, planted_habits)
