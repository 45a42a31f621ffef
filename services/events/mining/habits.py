"""Habits: what one actor does at the same time on days of one kind, more often than the shape of the day explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.events.mining.activity import Activities, Bools, Floats, Ints
from services.events.mining.options import DAY, DEFAULT, HOUR, MINUTE, WEEK, Options
from services.events.mining.pattern import HABIT, Pattern
from services.events.mining.sessions import Order, order
from services.events.mining.significance import binomial_tail, discoveries
from services.events.mining.tokens import Coding, plain

SLOT = 5 * MINUTE
SLOTS = int(DAY / SLOT)
HALVES = (3, 6, 12)
EPOCH_WEEKDAY = 3
CALENDARS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("daily", (0, 1, 2, 3, 4, 5, 6)),
    ("weekdays", (0, 1, 2, 3, 4)),
    ("monday", (0,)),
    ("tuesday", (1,)),
    ("wednesday", (2,)),
    ("thursday", (3,)),
    ("friday", (4,)),
    ("saturday", (5,)),
    ("sunday", (6,)),
)
SCANNED = SLOTS * len(HALVES) * len(CALENDARS)
LEAST_REGULAR = 0.6
LEAST_DAYS = 5
# What remembering and doing one step by hand is taken to cost.
BY_HAND_MINUTES = 0.5


@dataclass(frozen=True)
class _Window:
    """One way to read a token's days: hits of eligible days within ± half slots around the centre, and its chance."""

    calendar: str
    centre: int
    half: int
    hits: int
    eligible: int
    chance: float
    p_value: float


def find(activities: Activities, options: Options = DEFAULT) -> list[Pattern]:
    """Habits of all actors, one an (actor, token), by the actor's clock.

    details: calendar, minute_of_day, plus_minus_minutes, regularity (days hit ÷ eligible days).
    """
    if not len(activities):
        return []
    coding, ordered = plain(activities), order(activities, options)
    local = activities.local[ordered.rows]
    days, slots = np.floor(local / DAY).astype(np.int64), np.floor(local % DAY / SLOT).astype(np.int64)
    found: list[tuple[int, int, _Window, Ints]] = []
    hypotheses = 0
    for mine in _parts(ordered.actors):
        active, profile = np.unique(days[mine]), np.bincount(slots[mine], minlength=SLOTS).astype(np.float64)
        for part in _parts(coding.codes[ordered.rows[mine]]):
            rows = mine[part]
            hypotheses += 1
            if len(rows) >= LEAST_DAYS and _able(days[rows], active):
                best = _best(days[rows], slots[rows], active, profile)
                if best is not None:
                    found.append((int(ordered.actors[rows[0]]), int(coding.codes[ordered.rows[rows[0]]]), best, rows))
    p_values = np.array([min(one[2].p_value * SCANNED, 1.0) for one in found])
    kept = discoveries(p_values, hypotheses, options.alpha)
    chosen = [one for one, keep in zip(found, kept, strict=True) if keep]
    return [_pattern(activities, coding, ordered, one, (days, slots)) for one in chosen]


def _parts(values: Ints) -> list[Ints]:
    """Places of each value, ascending, by value."""
    places = np.argsort(values, kind="stable").astype(np.int64)
    return np.split(places, np.flatnonzero(np.diff(values[places])) + 1)


def _able(days: Ints, active: Ints) -> bool:
    """Whether the days alone, at whatever hour, are regular enough for any calendar: hits are never more than days."""
    done = np.unique(days)
    eligible = active[(active >= done[0]) & (active <= done[-1])]
    on = np.bincount((done + EPOCH_WEEKDAY) % 7, minlength=7)
    of = np.bincount((eligible + EPOCH_WEEKDAY) % 7, minlength=7)
    return any(
        hits >= max(LEAST_DAYS, LEAST_REGULAR * days_of)
        for hits, days_of in ((on[list(kinds)].sum(), of[list(kinds)].sum()) for _, kinds in CALENDARS)
    )


def _best(days: Ints, slots: Ints, active: Ints, profile: Floats) -> _Window | None:
    """The least likely window with enough hits and regularity.

    The token's own times do not count in the actor's profile, or a pure habit would explain itself.
    """
    own = np.bincount(slots, minlength=SLOTS)
    shape = np.maximum(profile - own, 0.0) + 0.5
    shape /= shape.sum()
    eligible = active[(active >= days.min()) & (active <= days.max())]
    grid = np.zeros((len(eligible), SLOTS), dtype=np.int64)
    grid[np.searchsorted(eligible, days), slots] = 1
    rate = max(len(np.unique(days * SLOTS + slots)) / max(len(eligible), 1), 1e-9)
    weekdays = (eligible + EPOCH_WEEKDAY) % 7
    windows = []
    for half in HALVES:
        near = _spread(grid, half)
        for name, kinds in CALENDARS:
            hit = near[np.isin(weekdays, kinds)]
            windows.append(_calendar_best(name, hit, shape, (half, rate, len(kinds))))
    good = [one for one in windows if one is not None]
    return min(good, key=lambda one: (one.p_value, one.half, -one.hits), default=None)


def _spread(grid: NDArray[np.int64], half: int) -> Bools:
    """Whether anything falls within ± half slots, for each day and slot."""
    summed = np.cumsum(np.pad(grid, ((0, 0), (half + 1, half))), axis=1)
    result: Bools = (summed[:, 2 * half + 1 :] - summed[:, : -2 * half - 1]) > 0
    return result


def _calendar_best(name: str, hit: Bools, shape: Floats, way: tuple[int, float, int]) -> _Window | None:
    half, rate, kinds = way
    hits, eligible = hit.sum(axis=0), len(hit)
    least = max(LEAST_DAYS, LEAST_REGULAR * eligible)
    if not eligible or hits.max() < least:
        return None
    often = np.flatnonzero(hits >= max(least, 0.8 * hits.max()))
    padded = np.cumsum(np.pad(shape, (half + 1, half)))
    share = np.minimum(padded[2 * half + 1 :] - padded[: -2 * half - 1], 1.0)[often]
    # What is done on one kind of day is taken to be done on such days only.
    chance = 1.0 - np.exp(-rate * (7.0 if kinds == 1 else 1.0) * share)
    p_values = binomial_tail(hits[often].astype(np.int64), np.full(len(often), eligible), chance)
    ties = np.flatnonzero(p_values <= p_values.min())
    best = int(ties[len(ties) // 2])
    centre = int(often[best])
    return _Window(name, centre, half, int(hits[centre]), eligible, float(chance[best]), float(p_values[best]))


def _pattern(
    activities: Activities,
    coding: Coding,
    ordered: Order,
    one: tuple[int, int, _Window, Ints],
    clock: tuple[Ints, Ints],
) -> Pattern:
    actor, token, window, rows = one
    days, slots = clock
    kinds = dict(CALENDARS)[window.calendar]
    inside = (np.abs(slots[rows] - window.centre) <= window.half) & np.isin((days[rows] + EPOCH_WEEKDAY) % 7, kinds)
    rows = rows[inside]
    _, first = np.unique(days[rows], return_index=True)
    rows = rows[first]
    times = activities.times[ordered.rows[rows]]
    weeks = max(float(times.max() - times.min()) / WEEK, 1.0)
    details: dict[str, object] = {
        "calendar": window.calendar,
        "minute_of_day": int((window.centre + 0.5) * SLOT / MINUTE),
        "plus_minus_minutes": int(window.half * SLOT / MINUTE),
        "regularity": window.hits / window.eligible,
        "minutes": {"runs_per_week": len(rows) / weeks, "seconds_by_hand": BY_HAND_MINUTES * MINUTE},
    }
    return Pattern(
        kind=HABIT,
        steps=(coding.tokens[token],),
        support=window.hits,
        trials=window.eligible,
        lift=window.hits / max(window.eligible * window.chance, 1e-9),
        p_value=min(window.p_value * SCANNED, 1.0),
        actors=(ordered.names[actor],),
        sessions=len(rows),
        days=len(rows),
        median_gap_seconds=float(np.median(np.diff(times))) if len(times) > 1 else 0.0,
        gaps=(),
        minutes_per_week=len(rows) / weeks * BY_HAND_MINUTES,
        first_seen=float(times.min()),
        last_seen=float(times.max()),
        window=HOUR,
        evidence=tuple((row,) for row in ordered.rows[rows].tolist()),
        details=details,
    )
