"""Which pairs of tokens keep company, in either order: where one routine fills a whole session, order alone is too
little evidence to stand out among all pairs, but enough among those that keep company."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.events.mining.activity import Bools, Floats, Ints
from services.events.mining.chance import Chance, census, chance, expectation
from services.events.mining.sessions import Sessions
from services.events.mining.significance import binomial_tail, discoveries


@dataclass(frozen=True)
class Screen:
    """For each tested pair whether it keeps company, and the chance that its order is a toss; both (pairs,).

    `hypotheses` is the number of ordered pairs that keep company. The screen is symmetric in the order, so under
    random order within sessions the second value is a fair p-value among the pairs that pass.
    """

    company: Bools
    tosses: Floats
    hypotheses: int


def neighbourhoods(sessions: Sessions, size: int) -> Sessions:
    """The same items with blocks that are stretches of one actor's items across sessions."""
    changes = np.flatnonzero(np.diff(sessions.actors)) + 1
    begin = np.concatenate(([0], changes))
    place = np.arange(len(sessions)) - np.repeat(begin, np.diff(np.append(begin, len(sessions))))
    cuts = (place % size == 0).astype(np.int64)
    return replace(sessions, blocks=np.cumsum(cuts) - 1)


def around(sessions: Sessions, size: int, window: float, max_gap: int) -> Chance:
    """The chance model of neighbourhoods."""
    wide = neighbourhoods(sessions, size)
    return chance(wide, census(wide), wide.sessions, window, max_gap)


def screen(model: Chance, tokens: tuple[Ints, Ints], matches: tuple[Ints, Ints], level: float) -> Screen:
    """tokens: firsts and lasts of the tested pairs; matches: how often each was matched in order and in reverse."""
    (firsts, lasts), (forward, backward) = tokens, matches
    trials, expected = _both_ways(model, firsts, lasts)
    together = forward + backward
    p_values = binomial_tail(np.minimum(together, trials), trials, expected / np.maximum(trials, 1))
    alphabet = model.sessions.alphabet
    unordered = np.minimum(firsts, lasts) * alphabet + np.maximum(firsts, lasts)
    _, once, inverse = np.unique(unordered, return_index=True, return_inverse=True)
    kept = discoveries(p_values[once], model.census.present * (model.census.present - 1) / 2, level)
    tosses = binomial_tail(forward, together, np.full(len(forward), 0.5))
    return Screen(kept[inverse], tosses, 2 * int(np.count_nonzero(kept)))


def _both_ways(model: Chance, firsts: Ints, lasts: Ints) -> tuple[Ints, Floats]:
    """Trials and expected matches of both orders together."""
    alphabet = model.sessions.alphabet
    keys, inverse = np.unique(
        np.concatenate((firsts * alphabet + lasts, lasts * alphabet + firsts)), return_inverse=True
    )
    trials, expected = np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys))
    tokens = model.sessions.tokens
    by_token = np.argsort(tokens, kind="stable").astype(np.int64)
    bounds = np.searchsorted(tokens[by_token], np.arange(alphabet + 1))
    starts = keys // alphabet
    for token in np.unique(starts).tolist():
        rows = np.flatnonzero(starts == token)
        occurrences = by_token[bounds[token] : bounds[token + 1]].reshape(-1, 1)
        tried, chances = expectation(model, occurrences, keys[rows] % alphabet)
        trials[rows], expected[rows] = tried, tried * chances
    half = len(firsts)
    return trials[inverse[:half]] + trials[inverse[half:]], expected[inverse[:half]] + expected[inverse[half:]]
