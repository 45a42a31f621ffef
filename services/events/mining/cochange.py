"""Relations as patterns: what is changed together, in commits or bursts of saves, more often than chance allows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from services.events.mining.activity import Activities
from services.events.mining.options import DAY, DEFAULT, MINUTE, WEEK, Options
from services.events.mining.pattern import RELATION, Pattern
from services.events.mining.relations import LARGEST_SET
from services.events.mining.sessions import cut, order
from services.events.mining.significance import binomial_tail, discoveries
from services.events.mining.symbols import EXACT
from services.events.mining.tokens import Coding, exact

PAUSE = MINUTE
# What finding the other file by oneself is taken to cost.
REMINDER_MINUTES = 0.25


@dataclass(frozen=True)
class Burst:
    """Things one actor changed without a pause: token → the first row of each."""

    actor: str | None
    time: float
    things: dict[int, int]


def bursts(activities: Activities, coding: Coding, pause: float = PAUSE) -> list[Burst]:
    """Sets of exact labels that look like files, by actor; events at one moment are one commit."""
    ordered = order(activities)
    files = np.array([_is_file(token.subject) and token.level == EXACT for token in coding.tokens], dtype=np.bool_)
    rows = ordered.rows[files[coding.codes[ordered.rows]]] if len(coding.tokens) else ordered.rows[:0]
    names = {name: number for number, name in enumerate(ordered.names)}
    actors = np.array([names[activities.actors[row]] for row in rows.tolist()], dtype=np.int64)
    times = activities.times[rows]
    groups = cut(actors, times, pause)
    found = []
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(groups)) + 1):
        if not len(part):
            continue
        things: dict[int, int] = {}
        for row in rows[part].tolist():
            things.setdefault(int(coding.codes[row]), row)
        found.append(Burst(ordered.names[actors[part[0]]], float(times[part[0]]), things))
    return found


def find(activities: Activities, options: Options = DEFAULT) -> list[Pattern]:
    """Pairs of files that change together, the rarer one first: confidence is how often the other went with it."""
    coding = exact(activities)
    sets = [one for one in bursts(activities, coding) if len(one.things) <= LARGEST_SET]
    holding: dict[int, list[Burst]] = {}
    for one in sets:
        for thing in one.things:
            holding.setdefault(thing, []).append(one)
    total = sum(len(one.things) for one in sets)
    counts = {thing: len(found) for thing, found in holding.items()}
    together = _together(sets, counts, len(coding.tokens), options.min_support)
    tested = [
        (pair if counts[pair[0]] <= counts[pair[1]] else pair[::-1], found)
        for pair, found in together.items()
        if len({one.time // DAY for one in found}) >= options.min_days
    ]
    trials = np.array([counts[rare] for (rare, _), _ in tested], dtype=np.int64)
    chances = np.array(
        [sum(_chance(one, counts[other], total) for one in holding[rare]) / counts[rare] for (rare, other), _ in tested]
    )
    hits = np.array([len(found) for _, found in tested], dtype=np.int64)
    p_values = binomial_tail(hits, trials, chances) if tested else np.zeros(0)
    kept = discoveries(p_values, len(counts) * (len(counts) - 1) / 2, options.alpha)
    return [
        _pattern(coding, tested[place], int(trials[place]), float(chances[place]), float(p_values[place]))
        for place in np.flatnonzero(kept).tolist()
    ]


def _together(
    sets: list[Burst], counts: dict[int, int], alphabet: int, least: int
) -> dict[tuple[int, int], list[Burst]]:
    """The bursts of each pair that has enough of them; pairs are counted as numbers, for most are rare."""
    able = [sorted(thing for thing in one.things if counts[thing] >= least) for one in sets]
    keys = [first * alphabet + last for things in able for first, last in combinations(things, 2)]
    owners = [place for place, things in enumerate(able) for _ in range(len(things) * (len(things) - 1) // 2)]
    if not keys:
        return {}
    numbers, of = np.array(keys, dtype=np.int64), np.array(owners, dtype=np.int64)
    by_pair = np.argsort(numbers, kind="stable")
    parts = np.split(by_pair, np.flatnonzero(np.diff(numbers[by_pair])) + 1)
    frequent = [(divmod(int(numbers[part[0]]), alphabet), of[part].tolist()) for part in parts if len(part) >= least]
    return {pair: [sets[place] for place in places] for pair, places in frequent}


def _pattern(
    coding: Coding, one: tuple[tuple[int, int], list[Burst]], trials: int, chance: float, p_value: float
) -> Pattern:
    pair, found = one
    times = [burst.time for burst in found]
    weeks = max((max(times) - min(times)) / WEEK, 1.0)
    return Pattern(
        kind=RELATION,
        steps=(coding.tokens[pair[0]], coding.tokens[pair[1]]),
        support=len(found),
        trials=trials,
        lift=len(found) / max(trials * chance, 1e-9),
        p_value=p_value,
        actors=tuple(sorted({burst.actor for burst in found}, key=str)),
        sessions=len(found),
        days=len({time // DAY for time in times}),
        median_gap_seconds=0.0,
        gaps=(0.0,),
        minutes_per_week=len(found) / weeks * REMINDER_MINUTES,
        first_seen=min(times),
        last_seen=max(times),
        window=PAUSE,
        details={"minutes": {"runs_per_week": len(found) / weeks, "seconds_by_hand": REMINDER_MINUTES * MINUTE}},
        evidence=tuple((burst.things[pair[0]], burst.things[pair[1]]) for burst in found),
    )


def _chance(burst: Burst, other: int, total: int) -> float:
    """That one of the burst's further places is the other thing, were places filled at random."""
    return 1.0 - (1.0 - min(other / total, 1.0)) ** (len(burst.things) - 1)


def _is_file(subject: str | None) -> bool:
    return subject is not None and " " not in subject and ("/" in subject or "." in subject)
