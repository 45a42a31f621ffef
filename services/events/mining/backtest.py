"""What a suggestion would have done: learned on the first part of the history, replayed on the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.events.mining.activity import Activities, Bools, Ints
from services.events.mining.miner import mine
from services.events.mining.options import DEFAULT, Options
from services.events.mining.pattern import Pattern
from services.events.mining.sessions import Sessions, collapse, order
from services.events.mining.tokens import EXACT, TYPE, Coding, Token, exact, plain

TRAINING = 0.7


@dataclass(frozen=True)
class Backtest:
    """would_have_fired = matched + wrong: first steps in the rest of the history, followed by the routine or not;
    missed: the routine's other steps done without the first; learned: whether the first part alone shows the pattern.

    examples: up to five runs (input indexes) of each outcome.
    """

    would_have_fired: int
    matched: int
    missed: int
    wrong: int
    learned: bool
    examples: dict[str, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True)
class History:
    """A log cut by time (seconds): what the first part teaches, and the rows of the rest."""

    activities: Activities
    cut: float
    learned: frozenset[tuple[Token, ...]]
    rest: Ints


def split(activities: Activities, options: Options = DEFAULT, share: float = TRAINING) -> History:
    """Mines the first share of the time."""
    times = activities.times
    cut = float(times.min() + share * (times.max() - times.min())) if len(times) else 0.0
    first = np.flatnonzero(times <= cut)
    learned = frozenset(pattern.steps for pattern in mine(activities.select(first), options))
    return History(activities, cut, learned, np.flatnonzero(times > cut))


@dataclass(frozen=True)
class _Walk:
    """One replay: the items, for each step those that are it, how far a step may reach, and the items already used."""

    sessions: Sessions
    masks: list[Bools]
    window: float
    max_gap: int
    used: set[int]


def replay(history: History, pattern: Pattern, options: Options = DEFAULT) -> Backtest:
    """Counts over the rest of the history; the same input gives the same answer."""
    log = history.activities.select(history.rest)
    coding = exact(log)
    sessions = collapse(log, coding.codes, len(coding.tokens), order(log, options), options)
    masks = [_mask(log, coding, sessions, step) for step in pattern.steps]
    walk = _Walk(sessions, masks, pattern.window, options.max_gap, set())
    fired = np.flatnonzero(masks[0] & ~_repeats(masks[0], sessions)).tolist()
    runs = [(start, *_follow(walk, start, 1)) for start in fired]
    unled = [start for start in np.flatnonzero(masks[1]).tolist() if start not in walk.used]
    tails = [(start, *_follow(walk, start, 2)) for start in unled]
    length = len(pattern.steps)
    outcomes = {
        "matched": [run for run in runs if len(run) == length],
        "missed": [tail for tail in tails if len(tail) == length - 1],
        "wrong": [run for run in runs if len(run) < length],
    }
    examples = {
        name: tuple(tuple(history.rest[sessions.first_rows[list(run)]].tolist()) for run in found[:5])
        for name, found in outcomes.items()
    }
    return Backtest(
        would_have_fired=len(runs),
        matched=len(outcomes["matched"]),
        missed=len(outcomes["missed"]),
        wrong=len(outcomes["wrong"]),
        learned=pattern.steps in history.learned,
        examples=examples,
    )


def _mask(log: Activities, coding: Coding, sessions: Sessions, step: Token) -> Bools:
    """Items that are the step, read at the step's own level, as a trigger would."""
    if step.level == EXACT:
        named, tokens = sessions.tokens, coding.tokens
    else:
        other = plain(log)
        named, tokens = other.codes[sessions.first_rows], other.tokens
    fits = [
        (token.source, token.type) == (step.source, step.type) and (step.level == TYPE or token.subject == step.subject)
        for token in tokens
    ]
    result: Bools = np.array(fits, dtype=np.bool_)[named]
    return result


def _repeats(mask: Bools, sessions: Sessions) -> Bools:
    """Whether the item before is the same step in the same session."""
    result = np.zeros(len(mask), dtype=np.bool_)
    result[1:] = mask[:-1] & (sessions.sessions[1:] == sessions.sessions[:-1])
    return result


def _follow(walk: _Walk, start: int, first: int) -> tuple[int, ...]:
    """The items of the steps from `first` on, each the nearest free one in reach; empty unless all are there."""
    run: list[int] = []
    here = start
    for mask in walk.masks[first:]:
        near = range(here + 1, min(here + walk.max_gap + 1, len(walk.sessions)))
        step = next((item for item in near if mask[item] and item not in walk.used and _within(walk, here, item)), None)
        if step is None:
            return ()
        run.append(step)
        here = step
    walk.used.update(run)
    return tuple(run)


def _within(walk: _Walk, here: int, there: int) -> bool:
    sessions = walk.sessions
    same = bool(sessions.sessions[here] == sessions.sessions[there])
    return same and float(sessions.starts[there] - sessions.ends[here]) <= walk.window
