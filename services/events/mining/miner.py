"""The way in: from activities to the patterns worth showing, best first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.events.mining import cochange, fading, habits, redundancy, rules, sequences, teams, tokens
from services.events.mining.activity import Activities
from services.events.mining.options import DEFAULT, WEEK, Options
from services.events.mining.pattern import HABIT, RELATION, RULE, SEQUENCE, Pattern
from services.events.mining.sequences import Found
from services.events.mining.sessions import Order, Sessions, acts, collapse, order
from services.events.mining.tokens import Coding

# The most of each kind that one mining answers.
MOST = {SEQUENCE: 300, RELATION: 100, RULE: 100, HABIT: 50}


def survey(activities: Activities, options: Options = DEFAULT) -> list[Pattern]:
    """Patterns of all four kinds, the best of each, all by rank; deterministic as `mine` is.

    What has not been done for long is told no more.
    """
    found = mine(activities, options)
    found += rules.find(activities, found, options)
    found += cochange.find(activities, options) + habits.find(activities, options)
    living = _alive([one for one in found if teams.allowed(one, activities, options)], activities)
    ranked = sorted(living, key=_rank)
    kept = [[one for one in ranked if one.kind == kind][:most] for kind, most in MOST.items()]
    return sorted((one for group in kept for one in group), key=_rank)


def _alive(found: list[Pattern], activities: Activities) -> list[Pattern]:
    """Those that still count for something by the latest event, with their recency."""
    if not found:
        return []
    begin, now = float(activities.times.min()), float(activities.times.max())
    living = []
    for pattern in found:
        times = activities.times[np.array([rows[-1] for rows in pattern.evidence], dtype=np.int64)]
        half_life = fading.RELATION_HALF_LIFE_DAYS if pattern.kind == RELATION else fading.HALF_LIFE_DAYS
        if fading.faded(times, now, half_life) >= fading.FLOOR:
            living.append(replace(pattern, recency=fading.recency(times, begin, now, half_life)))
    return living


def mine(activities: Activities, options: Options = DEFAULT) -> list[Pattern]:
    """Significant sequences of all levels and windows, without redundant ones, by minutes saved × certainty.

    Deterministic: the same activities in any order of rows give the same patterns (evidence cites the rows).
    """
    if not len(activities):
        return []
    ordered = order(activities, options)
    codings = tokens.encode(activities, options)
    patterns: list[Pattern] = []
    for coding in codings:
        found = _level(activities, coding, ordered, options, options.alpha / len(codings))
        patterns = redundancy.combine(patterns, found)
    return sorted(patterns, key=_rank)


def _rank(pattern: Pattern) -> tuple[float, int, list[str]]:
    words = [f"{step.source} {step.type} {step.subject}" for step in pattern.steps]
    return -pattern.score, -pattern.support, [*words, pattern.kind, *map(str, pattern.actors)]


def _level(activities: Activities, coding: Coding, ordered: Order, options: Options, alpha: float) -> list[Pattern]:
    weeks = max(float(np.ptp(activities.times)) / WEEK, 1.0)
    told = acts(activities, coding.codes, ordered)
    sessions = collapse(activities, coding.codes, len(coding.tokens), told, options)
    found = redundancy.prune(sequences.find(sessions, options, alpha), options)
    return [describe(one, sessions, coding, options, weeks) for one in found]


def describe(found: Found, sessions: Sessions, coding: Coding, options: Options, weeks: float) -> Pattern:
    """A found sequence in words and figures."""
    items = found.items[np.argsort(sessions.starts[found.items[:, 0]], kind="stable")]
    gaps = sessions.starts[items[:, 1:]] - sessions.ends[items[:, :-1]]
    actors = np.unique(sessions.actors[items[:, 0]])
    confidence = found.support / found.trials
    spent = float(np.median(np.minimum(gaps, options.longest_counted_gap).sum(axis=1)))
    saved = spent - options.confirm_seconds - (1.0 - confidence) * options.repair_seconds
    terms: dict[str, object] = {
        "runs_per_week": found.support / weeks,
        "seconds_by_hand": spent,
        "seconds_to_confirm": options.confirm_seconds,
        "share_to_repair": 1.0 - confidence,
        "seconds_to_repair": options.repair_seconds,
    }
    return Pattern(
        kind=SEQUENCE,
        steps=tuple(coding.tokens[token] for token in found.tokens),
        support=found.support,
        trials=found.trials,
        lift=found.lift,
        p_value=found.p_value,
        actors=tuple(sorted((sessions.names[actor] for actor in actors.tolist()), key=str)),
        sessions=len(np.unique(sessions.sessions[items[:, 0]])),
        days=len(np.unique(sessions.days[items[:, 0]])),
        median_gap_seconds=float(np.median(gaps)),
        gaps=tuple(np.median(gaps, axis=0).tolist()),
        minutes_per_week=max(0.0, found.support / weeks * saved / 60.0),
        first_seen=float(sessions.starts[items[:, 0]].min()),
        last_seen=float(sessions.ends[items[:, -1]].max()),
        window=found.window,
        details={"minutes": terms},
        evidence=tuple(tuple(row) for row in sessions.first_rows[items].tolist()),
    )
