"""Deadlines: how long after its first step the last step of a rule may come before somebody should be told."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.events.mining import matching
from services.events.mining.activity import Activities, Bools
from services.events.mining.certainty import wilson
from services.events.mining.matching import Levels
from services.events.mining.options import DEFAULT, HOUR, MINUTE, WEEK, Options
from services.events.mining.pattern import RULE, Pattern

# What comes later than this after the first step belongs to another time.
HORIZON = 4 * HOUR
# Rules are mined within an hour; who waits for twice as long waits for something else.
LONGEST = 2 * HOUR
# A person is told wrongly this often a week at most, by the delays that were seen, of which the slowest is no bound.
FALSE_A_WEEK = 0.5
LATEST_SHARE = 0.1
MARGIN = 1.5
# Where the last step follows less surely than this, its absence says nothing.
SURE = 0.7
Key = Callable[[int], Hashable]


@dataclass(frozen=True)
class Wait:
    """A first step (input index) with the last step that came next within the horizon, and after how many seconds.

    overtaken: whether another first step came before that, to which the answer may belong.
    """

    row: int
    answer: int | None
    delay: float
    overtaken: bool

    def answered(self, limit: float) -> bool:
        """Whether it came within so many seconds."""
        return self.answer is not None and self.delay <= limit


def find(log: Activities, patterns: Sequence[Pattern], options: Options = DEFAULT) -> list[Pattern]:
    """Rules whose last step follows surely enough to be missed.

    Support and trials count all waits, not only those within a session; an answer counts for the latest first step
    before it. minutes_per_week is what looking after the misses costs, each as long as a repair. details gains
    deadline_minutes, alerts_per_week and alert_confidence: how surely what is told is missing, and not only late.
    """
    known = matching.levels(log)
    found = [_alert(log, known, rule, options) for rule in patterns if rule.kind == RULE]
    return [one for one in found if one is not None]


def known(rule: Pattern) -> bool:
    """Whether the rule has a deadline."""
    return "deadline_minutes" in rule.details


def minutes(pattern: Pattern) -> int:
    """After how many minutes the last step is missing."""
    return int(str(pattern.details["deadline_minutes"]))


def only(pattern: Pattern) -> str | None:
    """The person to whose steps alone the rule belongs."""
    return pattern.actors[0] if len(pattern.actors) == 1 else None


def waits(
    log: Activities, sides: tuple[Bools, Bools], limit: float, only: str | None = None, key: Key | None = None
) -> list[Wait]:
    """First steps that are waited for, in order of the keys: the trigger's own reading.

    sides: rows (n,) that are the first and the last step; only: whose rows count, all without it; key: what keeps waits
    apart, the actor without it. While one is waited for, another begins nothing; the wait ends with the next last step
    or after `limit` seconds. Waits that the log ends too early to judge are left out.
    """
    rows = np.flatnonzero(sides[0] | sides[1])
    rows = rows[np.lexsort((log.positions[rows], log.times[rows]))]
    by_key: dict[Hashable, list[int]] = defaultdict(list)
    for row in rows.tolist():
        if only is None or log.actors[row] == only:
            by_key[key(row) if key else log.actors[row]].append(row)
    end = float(log.times.max(initial=0.0))
    return [wait for own in by_key.values() for wait in _of_one(log, own, sides, limit, end)]


def _of_one(log: Activities, rows: Sequence[int], sides: tuple[Bools, Bools], limit: float, end: float) -> list[Wait]:
    firsts, lasts = sides
    found: list[Wait] = []
    free = -math.inf
    for place, row in enumerate(rows):
        time = float(log.times[row])
        if not firsts[row] or time < free:
            continue
        answer = next((later for later in rows[place + 1 :] if lasts[later]), None)
        overtaken = bool(rows[place + 1 :]) and bool(firsts[rows[place + 1]])
        delay = float(log.times[answer]) - time if answer is not None else math.inf
        free = time + min(delay, limit)
        if delay <= HORIZON or time + max(limit, HORIZON) <= end:
            found.append(Wait(row, answer if delay <= HORIZON else None, delay, overtaken))
    return found


def _alert(log: Activities, known: Levels, rule: Pattern, options: Options) -> Pattern | None:
    firsts, lasts = (matching.fits(known, step) for step in (rule.steps[0], rule.steps[-1]))
    told = waits(log, (firsts, lasts), 0.0, only(rule))
    delays = np.array([wait.delay for wait in told if wait.answer is not None and not wait.overtaken])
    if len(delays) < options.min_support or (firsts & lasts).any():
        return None
    weeks = len({(log.actors[wait.row], log.times[wait.row] // WEEK) for wait in told})
    share = min(LATEST_SHARE, FALSE_A_WEEK * weeks / len(told))
    usual = float(np.quantile(delays, 1 - share, method="higher"))
    limit = math.ceil(MARGIN * usual / MINUTE + 1)
    answered = int(np.count_nonzero(delays <= limit * MINUTE))
    missing = len(told) - answered
    right = sum(wait.answer is None or wait.overtaken for wait in told)
    if limit * MINUTE > LONGEST or wilson(answered, len(told)) < SURE:
        return None
    span = max((rule.last_seen - rule.first_seen) / WEEK, 1.0)
    details = {
        **rule.details,
        "deadline_minutes": limit,
        "alerts_per_week": missing / span,
        "alert_confidence": wilson(right + 1, missing + 2),
        "minutes": {"misses_per_week": (missing + 1) / span, "seconds_to_repair": options.repair_seconds},
    }
    cost = (missing + 1) / span * options.repair_seconds / MINUTE
    return replace(rule, support=answered, trials=len(told), minutes_per_week=cost, details=details)
