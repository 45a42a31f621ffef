"""Repairs where a recording was cut: torn runs are joined, runs that hang together are parted, by how like variants
they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.events.mining.activity import Floats, Ints

Span = tuple[int, int]
# So many of the stretches that are like no variant are compared with each other.
MOST_COMPARED = 200


@dataclass(frozen=True)
class Likeness:
    """How like stretches of a recording are to its variants. before: (n + 1, alphabet) how often each action was done
    before each event; variants: (variants, alphabet) how often each has it."""

    before: Ints
    variants: Ints

    def nearest(self, spans: list[Span]) -> tuple[Ints, Floats]:
        """(spans,) the nearest variant of each, the first among equals, and how near: Jaccard's index of multisets."""
        begins, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
        return self.between(begins, ends)

    def between(self, begins: Ints, ends: Ints) -> tuple[Ints, Floats]:
        """The same, of begins and ends, both (spans,)."""
        if not len(self.variants) or not len(begins):
            return np.zeros(len(begins), dtype=np.int64), np.zeros(len(begins))
        common = self._common(begins, ends)
        every = (ends - begins)[:, None] + self.variants.sum(axis=1)[None, :] - common
        closeness = common / np.maximum(every, 1)
        best = closeness.argmax(axis=1)
        return best.astype(np.int64), closeness[np.arange(len(best)), best]

    def containment(self, spans: list[Span]) -> Floats:
        """(spans,) how much of each some variant has, or of some variant it has: of a torn run or two in one, most."""
        if not len(self.variants) or not spans:
            return np.zeros(len(spans))
        begins, ends = np.array(spans, dtype=np.int64).T
        smaller = np.minimum((ends - begins)[:, None], self.variants.sum(axis=1)[None, :])
        within: Floats = (self._common(begins, ends) / smaller).max(axis=1)
        return within

    def _common(self, begins: Ints, ends: Ints) -> Ints:
        counts = self.before[ends] - self.before[begins]
        return np.stack([np.minimum(counts, one).sum(axis=1) for one in self.variants], axis=1).astype(np.int64)


def likeness(codes: Ints, variants: list[tuple[int, ...]]) -> Likeness:
    """Likeness of stretches of codes (n,) to variants."""
    alphabet = int(codes.max()) + 1
    before = np.zeros((len(codes) + 1, alphabet), dtype=np.int64)
    before[np.arange(1, len(codes) + 1), codes] = 1
    np.cumsum(before, axis=0, out=before)
    counted = [np.bincount(np.array(one, dtype=np.int64), minlength=alphabet) for one in variants]
    return Likeness(before, np.array(counted, dtype=np.int64).reshape(len(variants), alphabet))


def mend(known: Likeness, spans: list[Span], least: float) -> list[Span]:
    """Joins two or three parts that stray beginnings or ends have torn: the whole is like a variant, no part is so."""
    for size in (2, 3):
        if len(spans) < size:
            break
        _, alone = known.nearest(spans)
        wholes = [(spans[place][0], spans[place + size - 1][1]) for place in range(len(spans) - size + 1)]
        _, together = known.nearest(wholes)
        parts = np.stack([alone[place : len(alone) - size + 1 + place] for place in range(size)])
        torn = (together > np.maximum(least, parts.max(axis=0))) & (parts.max(axis=0) < 1.0)
        joined: list[Span] = []
        place = 0
        while place < len(spans):
            whole = place < len(wholes) and bool(torn[place])
            joined.append(wholes[place] if whole else spans[place])
            place += size if whole else 1
        spans = joined
    return spans


def split(known: Likeness, spans: list[Span], least: float, shortest: int) -> list[Span]:
    """Parts what is like no variant where that leaves something which is, and again what is left."""
    _, closeness = known.nearest(spans)
    parted: list[Span] = []
    waiting = [(span, close >= least) for span, close in zip(spans, closeness.tolist(), strict=True)][::-1]
    while waiting:
        (begin, end), good = waiting.pop()
        cuts = np.arange(begin + shortest, end - shortest + 1) if not good else np.zeros(0, dtype=np.int64)
        if not len(cuts):
            parted.append((begin, end))
            continue
        _, left = known.between(np.full(len(cuts), begin), cuts)
        _, right = known.between(cuts, np.full(len(cuts), end))
        able = np.maximum(left, right) >= least
        if not able.any():
            parted.append((begin, end))
            continue
        worth = np.where(able, left * (cuts - begin) + right * (end - cuts), -1.0)
        best = int(worth.argmax())
        cut = int(cuts[best])
        waiting.append(((cut, end), bool(right[best] >= least)))
        waiting.append(((begin, cut), bool(left[best] >= least)))
    return parted


def typical(known: Likeness, spans: list[Span], least: float, runs: int) -> list[Span]:
    """Stretches that are like at least `runs` others, itself one, where none is like a variant: noise has left no two
    runs equal, and the one that most are like stands for them."""
    within = known.containment(spans)
    left = [span for span, inside in zip(spans, within.tolist(), strict=True) if inside < least][:MOST_COMPARED]
    found: list[Span] = []
    while len(left) >= runs:
        begins, ends = np.array(left, dtype=np.int64).T
        counts = known.before[ends] - known.before[begins]
        sizes = ends - begins
        common = np.stack([np.minimum(counts, one).sum(axis=1) for one in counts], axis=1)
        alike = common / np.maximum(sizes[:, None] + sizes[None, :] - common, 1)
        near = alike >= least
        best = int(np.lexsort((-(alike * near).sum(axis=0), -near.sum(axis=0)))[0])
        if near[best].sum() < runs:
            break
        found.append(left[best])
        left = [span for span, close in zip(left, near[best].tolist(), strict=True) if not close]
    return found
