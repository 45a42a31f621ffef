"""Leaves out what a longer, a finer or a nearly equal pattern already says."""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.events.mining.options import Options
from services.events.mining.pattern import Pattern
from services.events.mining.sequences import Found


def contains(longer: Sequence[object], shorter: Sequence[object]) -> bool:
    """Whether the shorter's steps stand in the longer in the same order, others between allowed."""
    rest = iter(longer)
    return all(step in rest for step in shorter)


def prune(found: list[Found], options: Options) -> list[Found]:
    """Without sequences that a longer one keeps nearly whole, nor the weaker of two that are nearly the same."""
    longest_first = sorted(found, key=lambda one: (-len(one.tokens), -one.support, one.tokens))
    by_token: dict[int, set[int]] = {}
    kept: list[Found] = []
    for one in longest_first:
        near = set.intersection(*(by_token.get(token, set()) for token in one.tokens))
        if any(_covers(kept[place], one, options.keep_ratio) for place in near):
            continue
        for token in one.tokens:
            by_token.setdefault(token, set()).add(len(kept))
        kept.append(one)
    return _merge(kept, options.merge_jaccard)


def _covers(longer: Found, shorter: Found, ratio: float) -> bool:
    return (
        len(longer.tokens) > len(shorter.tokens)
        and longer.support >= ratio * shorter.support
        and contains(longer.tokens, shorter.tokens)
    )


def _merge(found: list[Found], least: float) -> list[Found]:
    strongest = sorted(found, key=lambda one: (-one.support * (len(one.tokens) - 1), one.tokens))
    kept: dict[tuple[int, int], list[Found]] = {}
    for one in strongest:
        same_ends = kept.setdefault((one.tokens[0], one.tokens[-1]), [])
        if all(_jaccard(one.tokens, other.tokens) < least for other in same_ends):
            same_ends.append(one)
    return [one for group in kept.values() for one in group]


def _jaccard(left: Sequence[int], right: Sequence[int]) -> float:
    return len({*left} & {*right}) / len({*left} | {*right})


def combine(finer: list[Pattern], coarser: list[Pattern], least: float = 0.5) -> list[Pattern]:
    """The finer level's patterns, and those of the coarser whose occurrences beyond the finer are many and no chance.

    Where some are told, the rest has to be at least half, and three standard deviations above what chance gives.
    """
    kept = list(finer)
    for pattern in coarser:
        kinds = [step.kind for step in pattern.steps]
        told = {
            row
            for other in finer
            if other.steps == pattern.steps or {*kinds} & {step.kind for step in other.steps}
            for rows in other.evidence
            for row in rows
        }
        covered = sum(sum(row in told for row in rows) >= len(rows) / 2 for rows in pattern.evidence)
        left, expected = pattern.support - covered, pattern.support / max(pattern.lift, 1e-9)
        if not covered or left >= max(least * pattern.support, expected + 3.0 * math.sqrt(expected)):
            kept.append(pattern)
    return kept
