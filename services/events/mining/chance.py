"""What would follow what by chance alone, had the order within each block of a few items been random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.events.mining.activity import Floats, Ints
from services.events.mining.pairs import reach
from services.events.mining.sessions import Sessions
from services.events.mining.significance import binomial_tail

# A token that fills this share of a block of this many items follows everything in it, and tells nothing.
DOMINANT = 0.4
LEAST_TOLD = 6


@dataclass(frozen=True)
class Census:
    """How often each token stands in each block: rows from `offsets[b]` to `offsets[b + 1]`.

    shares: the rate at which a row's token would be drawn so that, without immediate repeats, its count comes out;
    crowding: (blocks,) sum of share / (1 − share), what taking repeats away adds to the other tokens' rates.
    """

    offsets: Ints
    tokens: Ints
    counts: Floats
    shares: Floats
    crowding: Floats
    sizes: Floats
    present: int


@dataclass(frozen=True)
class Chance:
    """The census seen through one window: reach within blocks, (items,), and its spread, (blocks, gap + 1)."""

    sessions: Sessions
    census: Census
    reach: Ints
    spread: Floats


def census(sessions: Sessions) -> Census:
    """Counts and rates of each (block, token)."""
    alphabet = max(sessions.alphabet, 1)
    keys, counts = np.unique(sessions.blocks * alphabet + sessions.tokens, return_counts=True)
    blocks = int(sessions.blocks[-1]) + 1 if len(sessions) else 0
    owner = keys // alphabet
    offsets = np.searchsorted(owner, np.arange(blocks + 1)).astype(np.int64)
    sizes = np.bincount(sessions.blocks, minlength=blocks).astype(np.float64)
    observed = counts / sizes[owner]
    shares = _shares(observed, owner, blocks)
    crowding = np.bincount(owner, shares / (1.0 - shares), minlength=blocks).astype(np.float64)
    shares[(observed >= DOMINANT) & (sizes[owner] >= LEAST_TOLD)] = 1.0
    present = len(np.unique(sessions.tokens))
    return Census(offsets, keys % alphabet, counts.astype(np.float64), shares, crowding, sizes, present)


def _shares(observed: Floats, owner: Ints, blocks: int) -> Floats:
    """Rates p with p(1 − p) in proportion to the observed shares and a sum of 1 in each block, by fixed point."""
    shares = np.minimum(observed, 0.9)
    for _ in range(30):
        raised = observed / (1.0 - shares)
        shares = np.minimum(raised / np.bincount(owner, raised, minlength=blocks)[owner], 0.95)
    return shares


def chance(sessions: Sessions, counted: Census, groups: Ints, window: float, max_gap: int) -> Chance:
    """What chance gives within one window; an item's followers are in its own group (block or session)."""
    within = reach(sessions, groups, window, max_gap)
    blocks = len(counted.sizes)
    flat = np.bincount(sessions.blocks * (max_gap + 1) + within, minlength=blocks * (max_gap + 1))
    return Chance(sessions, counted, within, flat.reshape(blocks, max_gap + 1).astype(np.float64))


def expectation(model: Chance, occurrences: Ints, candidates: Ints) -> tuple[Ints, Floats]:
    """Trials and mean chance that each candidate token follows the occurrences.

    occurrences: (n, k) items of one prefix, each within one block; candidates: (c,) tokens outside the prefix.
    An occurrence moves as one piece among the other items of its block, so its inner items neither offer nor fill
    places; as a token never follows itself at once, pieces do not count as places for what follows a piece.
    """
    length = occurrences.shape[1]
    blocks, index, pieces = np.unique(model.sessions.blocks[occurrences[:, 0]], return_inverse=True, return_counts=True)
    spread = model.spread[blocks]
    for column in range(length - 1):
        np.subtract.at(spread, (index, model.reach[occurrences[:, column]]), 1.0)
    weights = spread / np.maximum(spread.sum(axis=1, keepdims=True), 1.0)
    pool = model.census.sizes[blocks] - length * pieces
    position = np.full(max(model.sessions.alphabet, 1), -1, dtype=np.int64)
    position[candidates] = np.arange(len(candidates))
    rows, owner = _rows(model.census, blocks)
    wanted = position[model.census.tokens[rows]]
    rows, owner, wanted = rows[wanted >= 0], owner[wanted >= 0], wanted[wanted >= 0]
    rate = _crowded(model.census, rows, blocks[owner])
    hit = _hit_chance(model.census.counts[rows], rate, pool[owner], weights[owner])
    trials = np.bincount(wanted, pieces[owner], minlength=len(candidates))
    expected = np.bincount(wanted, pieces[owner] * hit, minlength=len(candidates))
    return trials.astype(np.int64), expected / np.maximum(trials, 1.0)


@dataclass(frozen=True)
class Trial:
    """Grown occurrences against chance, one entry a group: hits of trials, each with a mean chance, and how many of all
    the occurrences chance would give."""

    hits: Ints
    trials: Ints
    chances: Floats
    expected: Floats


def trial(model: Chance, occurrences: Ints, groups: list[Ints], candidates: Ints) -> Trial:
    """What is to be judged of groups of grown occurrences (n, k + 1), each by another of the candidates."""
    blocks = model.sessions.blocks
    within = occurrences[blocks[occurrences[:, 0]] == blocks[occurrences[:, -1]]]
    trials, chances = expectation(model, within, candidates)
    hits = np.array([np.count_nonzero(blocks[group[:, 0]] == blocks[group[:, -1]]) for group in groups], dtype=np.int64)
    scale = np.array([len(group) for group in groups]) / np.maximum(hits, 1)
    return Trial(np.minimum(hits, trials), trials, chances, trials * chances * scale)


def tails(tried: list[Trial]) -> Floats:
    """The tail probability of every group, trial after trial; judged together, for a call costs more than a group."""
    if not tried:
        return np.zeros(0, dtype=np.float64)
    hits, trials, chances = (
        np.concatenate([getattr(one, name) for one in tried]) for name in ("hits", "trials", "chances")
    )
    return binomial_tail(hits, trials, chances)


def _rows(counted: Census, blocks: Ints) -> tuple[Ints, Ints]:
    """Row numbers of the blocks' entries in the census, and for each the place of its block in the list."""
    begin, sizes = counted.offsets[blocks], counted.offsets[blocks + 1] - counted.offsets[blocks]
    owner = np.repeat(np.arange(len(blocks)), sizes)
    before = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(begin, sizes) + np.arange(len(owner)) - before, owner


def _crowded(counted: Census, rows: Ints, blocks: Ints) -> Floats:
    """Rate of each row's token after any other token of its block: higher than its share where repeats are frequent."""
    share = counted.shares[rows]
    others = np.maximum(1.0 - share, 1e-9)
    return np.where(share >= 1.0, 1.0, share * (counted.crowding[blocks] - share / others) / others)


def _hit_chance(counts: Floats, rate: Floats, pool: Floats, weights: Floats) -> Floats:
    """Chance that a follower is the token: the greater of drawing places without return and drawing at a rate.

    counts, rate, pool: (r,); weights: (r, gap + 1) chances of having 0 … gap followers.
    """
    miss = np.ones(len(counts), dtype=np.float64)
    result = np.zeros(len(counts), dtype=np.float64)
    for number in range(1, weights.shape[1]):
        drawn = counts / np.maximum(pool - (number - 1), 1.0)
        miss = miss * np.clip(1.0 - np.maximum(drawn, rate), 0.0, 1.0)
        result += weights[:, number] * (1.0 - miss)
    return result
