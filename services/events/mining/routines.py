"""Routines in one long recording of a screen: where they begin and end, their variants, and every run of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from services.events.mining.activity import Floats, Ints

NEAREST = 0.72
LEAST_RUNS = 3
LEAST_SHARE = 0.01
CERTAIN_END = 0.6
SHORTEST = 3
USUAL_SHARE = 0.1


@dataclass(frozen=True)
class Routine:
    """Steps in order, and the runs: each the places of its events in the recording."""

    steps: tuple[int, ...]
    runs: tuple[tuple[int, ...], ...]


def discover(codes: Ints, times: Floats) -> list[Routine]:
    """Routines of a recording, the most frequent first. codes: (n,) actions; times: (n,) ascending seconds."""
    if len(codes) < SHORTEST:
        return []
    start = opening(codes, times)
    segments = _mend(codes, _segments(codes, start), start)
    variants = _variants([tuple(codes[list(segment)].tolist()) for segment in segments])
    runs: dict[tuple[int, ...], list[tuple[int, ...]]] = {variant: [] for variant in variants}
    for segment in segments:
        nearest = _nearest(tuple(codes[list(segment)].tolist()), variants)
        if nearest is not None:
            runs[nearest].append(segment)
    return [Routine(variant, _without_strays(codes, variant, found)) for variant, found in runs.items() if found]


def opening(codes: Ints, times: Floats) -> int:
    """The action that begins runs: cut there, the recording falls into few kinds of parts that repeat.

    Any action that every run has once would cut as evenly, so the pause before it and standing at the recording's
    beginning decide among those.
    """
    pauses = np.diff(times, prepend=times[0])
    usual = max(float(np.median(pauses)), 1e-9)
    scores: dict[int, float] = {}
    for action in np.unique(codes).tolist():
        at = np.flatnonzero(codes == action)
        if len(at) < LEAST_RUNS:
            continue
        early = 1.0 / (1.0 + int(at[0]))
        pause = min(float(np.median(pauses[at[at > 0]])) / usual, 5.0) / 5.0
        scores[action] = _regularity(codes, at) + early + 0.3 * pause
    return max(scores, key=lambda action: (scores[action], -action)) if scores else int(codes[0])


def _regularity(codes: Ints, at: Ints) -> float:
    """How much of the recording the frequent parts make up, less for more kinds of them and for very short ones."""
    parts = [frozenset(part.tolist()) for part in np.split(codes, at[at > 0]) if len(part)]
    lengths = np.array([len(part) for part in np.split(codes, at[at > 0]) if len(part)])
    counts = Counter(parts)
    least = max(LEAST_RUNS, LEAST_SHARE * len(parts))
    good = np.array([counts[part] >= least and len(part) >= SHORTEST for part in parts])
    return float(lengths[good].sum() / len(codes))


def _endings(codes: Ints, start: int) -> set[int]:
    """Actions after which a run nearly always begins anew."""
    before = Counter(codes[:-1][codes[1:] == start].tolist())
    total = Counter(codes[:-1].tolist())
    often = max(LEAST_RUNS, 0.03 * sum(before.values()))
    return {action for action, count in before.items() if count >= often and count >= CERTAIN_END * total[action]}


def _segments(codes: Ints, start: int) -> list[tuple[int, ...]]:
    """Places between one beginning and the next, or between a sure end and the next."""
    ends = _endings(codes, start)
    cut = codes == start
    cut[1:] |= np.isin(codes[:-1], list(ends))
    parts = np.split(np.arange(len(codes)), np.flatnonzero(cut[1:]) + 1)
    return [tuple(part.tolist()) for part in parts if len(part)]


def _mend(codes: Ints, segments: list[tuple[int, ...]], start: int) -> list[tuple[int, ...]]:
    """Joins two or three parts that stray beginnings or ends have torn: the whole is like a variant, no part is so."""
    variants = _variants([tuple(codes[list(segment)].tolist()) for segment in segments])
    for size in (2, 3):
        mended: list[tuple[int, ...]] = []
        for segment in segments:
            mended.append(segment)
            if len(mended) >= size and _torn(codes, mended[-size:], variants):
                mended[-size:] = [tuple(place for part in mended[-size:] for place in part)]
        segments = mended
    return [_tidy(codes, segment, start) for segment in segments if len(segment) >= SHORTEST]


def _torn(codes: Ints, parts: list[tuple[int, ...]], variants: list[tuple[int, ...]]) -> bool:
    apart = [tuple(codes[list(part)].tolist()) for part in parts]
    if any(part in variants for part in apart):
        return False
    whole = tuple(action for part in apart for action in part)
    return _closeness(whole, variants) > max(NEAREST, *(_closeness(part, variants) for part in apart))


def _tidy(codes: Ints, segment: tuple[int, ...], start: int) -> tuple[int, ...]:
    """Without a stray action before the beginning."""
    if codes[segment[0]] != start and len(segment) > SHORTEST and codes[segment[1]] == start:
        return segment[1:]
    return segment


def _variants(sequences: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Frequent orders of actions, without rare near-copies of more frequent ones."""
    counts = Counter(sequence for sequence in sequences if len(sequence) >= SHORTEST)
    least = max(LEAST_RUNS, LEAST_SHARE * len(sequences))
    kept: list[tuple[int, ...]] = []
    for sequence, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count < least and kept:
            break
        copies = (other for other in kept if count < 0.25 * counts[other])
        if not any(_edits(sequence, other) <= 2 for other in copies):
            kept.append(sequence)
    return kept


def _without_strays(codes: Ints, variant: tuple[int, ...], runs: list[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """The runs without events that are neither of the variant nor usual in its runs: something else came between."""
    known = {*variant}
    actions = [codes[list(run)].tolist() for run in runs]
    extra = Counter(action for run in actions for action in {*run} - known)
    usual = {action for action, count in extra.items() if count >= USUAL_SHARE * len(runs)}
    kept = []
    for run, done in zip(runs, actions, strict=True):
        own = _aligned(done, variant)
        kept.append(tuple(place for at, place in enumerate(run) if at in own or done[at] in usual))
    return tuple(kept)


def _aligned(actions: list[int], variant: tuple[int, ...]) -> set[int]:
    """Places that stand for the variant's steps: those in its order, then any that fill what is still missing."""
    if tuple(actions) == variant:
        return set(range(len(actions)))
    blocks = SequenceMatcher(None, actions, variant, autojunk=False).get_matching_blocks()
    own = {block.a + offset for block in blocks for offset in range(block.size)}
    missing = Counter(variant) - Counter(actions[place] for place in own)
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


def _jaccard(left: Counter[int], right: Counter[int]) -> float:
    return sum((left & right).values()) / max(sum((left | right).values()), 1)


def _closeness(sequence: tuple[int, ...], variants: list[tuple[int, ...]]) -> float:
    mine = Counter(sequence)
    return max((_jaccard(mine, Counter(variant)) for variant in variants), default=0.0)


def _nearest(sequence: tuple[int, ...], variants: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    if sequence in variants:
        return sequence
    mine = Counter(sequence)
    scored = [(_jaccard(mine, Counter(variant)), -place) for place, variant in enumerate(variants)]
    best = max(scored, default=(0.0, 0))
    return variants[-best[1]] if best[0] >= NEAREST else None
