"""Where the runs in one recording begin and end: the cuts with which the recording is told in the fewest bits.

A rule cuts before every occurrence of one action, or after it. Told are the kinds of parts that recur, and then each
part as the kind that it is nearest to and what differs. Too few cuts leave many kinds, too many leave many parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.events.mining.activity import Bools, Floats, Ints

LEAST_RUNS = 3
LEAST_SHARE = 0.01
# The longest recording that is judged whole; of a longer one so many stretches of so many events are.
WHOLE = 6_000
STRETCHES = 12
MOST_KINDS = 24
MOST_BOUNDARIES = 8
# A further boundary has to save this share of the bits that are left; the rest are shares of the bits without any.
LEAST_GAIN = 0.02
LEAST_SAVED = 0.002
PAUSE_SHARE = 0.15
EARLY_SHARE = 0.15
LATER = 0.6
MOST_TRIED = 40
USUAL_GAPS = 3.0
# How sure one action has to follow another for the two to be tried as one boundary.
CERTAIN = 0.5


@dataclass(frozen=True)
class Boundary:
    """Runs end after each `last` and begin before each `first`; None where only the other is sure."""

    last: int | None
    first: int | None

    def cuts(self, codes: Ints) -> Bools:
        """(n,) whether a run begins with this event."""
        found = np.zeros(len(codes), dtype=np.bool_)
        if self.first is not None:
            found |= codes == self.first
        if self.last is not None:
            found[1:] |= codes[:-1] == self.last
        return found


@dataclass(frozen=True)
class _Sample:
    """Events to judge by. codes: (n,); signs: (n,) what else speaks for a run's beginning here, as a share of all bits;
    edges: (n,) where a stretch begins."""

    codes: Ints
    signs: Floats
    edges: Bools
    alphabet: int


def boundaries(codes: Ints, times: Floats) -> list[Boundary]:
    """Those that tell the recording best, the first the one that saves most. codes, times: (n,), n > 0."""
    sample = _sample(codes, times)
    left = _candidates(sample)
    chosen: list[Boundary] = []
    cuts = sample.edges
    nothing = before = _bits(sample, cuts)
    while left and len(chosen) < MOST_BOUNDARIES:
        tried = np.array([_judged(sample, cuts | one.cuts(sample.codes), nothing) for one in left])
        # The first round tells of the commonest routine alone, so none is given up after it.
        order = np.argsort(tried, kind="stable")[: MOST_TRIED if chosen else None].tolist()
        best = float(tried[order[0]])
        if chosen and before - best < LEAST_GAIN * max(before, 0.0) + LEAST_SAVED * nothing:
            break
        before, left = best, [left[place] for place in order]
        chosen.append(left.pop(0))
        cuts = cuts | chosen[-1].cuts(sample.codes)
    return chosen


def _candidates(sample: _Sample) -> list[Boundary]:
    counts = np.bincount(sample.codes, minlength=sample.alphabet)
    often = np.flatnonzero(counts >= LEAST_RUNS).tolist()
    edges = np.bincount(sample.codes[:-1] * sample.alphabet + sample.codes[1:], minlength=sample.alphabet**2)
    pairs = [divmod(int(edge), sample.alphabet) for edge in np.flatnonzero(edges >= LEAST_RUNS)]
    sure = [(u, v) for u, v in pairs if edges[u * sample.alphabet + v] >= CERTAIN * min(counts[u], counts[v])]
    alone = [Boundary(None, action) for action in often] + [Boundary(action, None) for action in often]
    return alone + [Boundary(last, first) for last, first in sure if last != first]


def _sample(codes: Ints, times: Floats) -> _Sample:
    signs = PAUSE_SHARE * _ranks(np.diff(times, prepend=times[0])) + EARLY_SHARE * _novelty(codes)[codes]
    size, chosen, length = len(codes), np.arange(len(codes)), len(codes)
    if size > WHOLE:
        length = WHOLE // STRETCHES
        begins = np.linspace(0, size - length, STRETCHES).astype(np.int64)
        chosen = (begins[:, None] + np.arange(length)).ravel()
    edges = np.arange(len(chosen)) % length == 0
    return _Sample(codes[chosen], signs[chosen], edges, int(codes.max()) + 1)


def _ranks(pauses: Floats) -> Floats:
    """From -1 for the shortest pause to 1 for the longest, equal ones alike."""
    _, place, counts = np.unique(pauses, return_inverse=True, return_counts=True)
    ranks: Floats = ((2 * np.cumsum(counts) - counts - len(pauses)) / len(pauses))[place]
    return ranks


def _novelty(codes: Ints) -> Floats:
    """(alphabet,) 1 for an action that opens a series of new ones, less the later in a series: a recording begins with
    a run, and a routine that is seen for the first time with its first step (or a variant with where it differs)."""
    seen = np.sort(_established(codes))
    series = np.split(seen, np.flatnonzero(np.diff(seen) > LEAST_RUNS) + 1)
    value = np.zeros(int(codes.max()) + 1)
    for place, new in enumerate(series):
        if len(new) >= LEAST_RUNS:
            value[codes[new]] = (LATER if place else 1.0) / (1.0 + (new - new[0]) / LEAST_RUNS)
    return value


def _established(codes: Ints) -> Ints:
    """For each action the place from which on it recurs at its usual distance: stray ones before do not count."""
    places = np.argsort(codes, kind="stable").astype(np.int64)
    found = []
    for at in np.split(places, np.flatnonzero(np.diff(codes[places])) + 1):
        gaps = np.diff(at)
        near = gaps <= USUAL_GAPS * np.median(gaps) if len(gaps) else np.zeros(0, dtype=np.bool_)
        steady = np.flatnonzero(near[1:] & near[:-1])
        found.append(at[steady[0]] if len(steady) else at[0])
    return np.array(found, dtype=np.int64)


def _judged(sample: _Sample, cuts: Bools, nothing: float) -> float:
    """The bits, less what else speaks for the cuts."""
    inner = cuts & ~sample.edges
    return _bits(sample, cuts) - nothing * (float(sample.signs[inner].mean()) if inner.any() else 0.0)


def _bits(sample: _Sample, cuts: Bools) -> float:
    """How long the recording is when told as kinds of parts and what differs from them."""
    at = np.flatnonzero(cuts)
    unique, found = _distinct(histograms(sample.codes, at, sample.alphabet))
    letter = np.log2(sample.alphabet) + 1.0
    lengths = unique.sum(axis=1)
    kinds = frequent(found, lengths, len(at))
    told = np.log2(len(at)) + lengths * letter
    if len(kinds):
        apart = distances(unique, unique[kinds])
        told = np.minimum(told, (apart * letter - np.log2(found[kinds] / len(at))).min(axis=1))
    return float((told * found).sum() + lengths[kinds].sum() * letter)


def histograms(codes: Ints, begins: Ints, alphabet: int) -> Ints:
    """(parts, alphabet) how often each action stands in each part; begins: (parts,) ascending from 0."""
    sizes = np.diff(np.append(begins, len(codes)))
    owner = np.repeat(np.arange(len(begins)), sizes)
    counts = np.bincount(owner * alphabet + codes, minlength=len(begins) * alphabet)
    return counts.reshape(len(begins), alphabet).astype(np.int64)


def _distinct(counts: Ints) -> tuple[Ints, Ints]:
    """Distinct rows, and how often each was found."""
    random = np.random.default_rng(0)
    marks = counts @ random.integers(1, 1 << 40, counts.shape[1])
    _, first, found = np.unique(marks, return_index=True, return_counts=True)
    return counts[first], found


def frequent(found: Ints, lengths: Ints, parts: int) -> Ints:
    """Places of the kinds that recur, the most telling first."""
    able = np.flatnonzero(found >= max(LEAST_RUNS, LEAST_SHARE * parts))
    order = np.lexsort((able, -(found[able] * lengths[able])))
    return able[order][:MOST_KINDS]


def distances(parts: Ints, kinds: Ints) -> Ints:
    """(parts, kinds) how many events differ between each part and kind, whatever their order."""
    return np.stack([np.abs(parts - kind).sum(axis=1) for kind in kinds], axis=1)
