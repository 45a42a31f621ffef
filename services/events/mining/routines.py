"""Routines in one long recording of a screen: their variants, and every run of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from services.events.mining.activity import Floats, Ints
from services.events.mining.boundaries import LEAST_RUNS, LEAST_SHARE, boundaries
from services.events.mining.segments import Likeness, Span, likeness, mend, split, typical

NEAREST = 0.72
SHORTEST = 3
USUAL_SHARE = 0.1
TYPICAL_SHARE = 0.02
# A rarer variant than this share of another may be that one with so many events wrong, or that one after another.
RARE = 0.25
TORN = 2


@dataclass(frozen=True)
class Routine:
    """Steps in order, and the runs: each the places of its events in the recording."""

    steps: tuple[int, ...]
    runs: tuple[tuple[int, ...], ...]


def discover(codes: Ints, times: Floats) -> list[Routine]:
    """Routines of a recording, the most frequent first. codes: (n,) actions; times: (n,) ascending seconds."""
    if len(codes) < SHORTEST:
        return []
    cut = np.zeros(len(codes), dtype=np.bool_)
    for boundary in boundaries(codes, times):
        cut |= boundary.cuts(codes)
    spans = _spans(cut)
    variants = _variants([tuple(codes[begin:end].tolist()) for begin, end in spans])
    known, spans = _repaired(codes, spans, variants)
    more = typical(known, spans, NEAREST, max(2 * LEAST_RUNS, round(TYPICAL_SHARE * len(spans))))
    if more:
        variants += [tuple(codes[begin:end].tolist()) for begin, end in more]
        known, spans = _repaired(codes, spans, variants)
    nearest, closeness = known.nearest(spans)
    runs: dict[int, list[Span]] = {place: [] for place in range(len(variants))}
    for span, place, close in zip(spans, nearest.tolist(), closeness.tolist(), strict=True):
        if close >= NEAREST and span[1] - span[0] >= SHORTEST:
            runs[place].append(span)
    return [
        Routine(variants[place], _without_strays(codes, variants[place], found))
        for place, found in runs.items()
        if found
    ]


def _repaired(codes: Ints, spans: list[Span], variants: list[tuple[int, ...]]) -> tuple[Likeness, list[Span]]:
    known = likeness(codes, variants)
    return known, split(known, mend(known, spans, NEAREST), NEAREST, SHORTEST)


def _spans(cut: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[Span]:
    begins = np.flatnonzero(np.append(True, cut[1:]))
    return list(zip(begins.tolist(), [*begins[1:].tolist(), len(cut)], strict=True))


def _variants(sequences: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Frequent orders of actions, without rare near-copies of more frequent ones."""
    counts = Counter(sequence for sequence in sequences if len(sequence) >= SHORTEST)
    least = max(LEAST_RUNS, LEAST_SHARE * len(sequences))
    kept: list[tuple[int, ...]] = []
    for sequence, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count < least:
            break
        copies = (other for other in kept if count < RARE * counts[other])
        if not any(_edits(sequence, other) <= TORN for other in copies):
            kept.append(sequence)
    return [sequence for sequence in kept if not _is_two(sequence, kept, counts)]


def _is_two(sequence: tuple[int, ...], variants: list[tuple[int, ...]], counts: Counter[tuple[int, ...]]) -> bool:
    """Whether it is one variant after another, or nearly, whose boundary was missed."""
    exact = {*variants}
    commoner = [one for one in variants if len(one) < len(sequence) and counts[one] * RARE > counts[sequence]]
    for cut in range(SHORTEST, len(sequence) - SHORTEST + 1):
        left, right = sequence[:cut], sequence[cut:]
        if left in exact and right in exact:
            return True
        if left in exact or right in exact:
            rest = right if left in exact else left
            if any(_edits(rest, one) <= TORN for one in commoner):
                return True
    return False


def _without_strays(codes: Ints, variant: tuple[int, ...], runs: list[Span]) -> tuple[tuple[int, ...], ...]:
    """The runs without events that are neither of the variant nor usual in its runs: something else came between."""
    known = {*variant}
    actions = [codes[begin:end].tolist() for begin, end in runs]
    extra = Counter(action for run in actions for action in {*run} - known)
    usual = {action for action, count in extra.items() if count >= USUAL_SHARE * len(runs)}
    kept = []
    for (begin, _), done in zip(runs, actions, strict=True):
        own = _aligned(done, variant)
        kept.append(tuple(begin + at for at, action in enumerate(done) if at in own or action in usual))
    return tuple(kept)


def _aligned(actions: list[int], variant: tuple[int, ...]) -> set[int]:
    """Places that stand for the variant's steps: those in its order, then any that fill what is still missing."""
    wanted, done = Counter(variant), Counter(actions)
    if all(done[action] <= count for action, count in wanted.items()):
        return {place for place, action in enumerate(actions) if action in wanted}
    blocks = SequenceMatcher(None, actions, variant, autojunk=False).get_matching_blocks()
    own = {block.a + offset for block in blocks for offset in range(block.size)}
    missing = wanted - Counter(actions[place] for place in own)
    for place, action in enumerate(actions):
        if place not in own and missing[action] > 0:
            own.add(place)
            missing[action] -= 1
    return own


def _edits(left: Sequence[int], right: Sequence[int]) -> int:
    """Levenshtein's distance."""
    row = list(range(len(right) + 1))
    for place, one in enumerate(left, start=1):
        before, row[0] = row[0], place
        for column, other in enumerate(right, start=1):
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, before + (one != other))
    return row[-1]
