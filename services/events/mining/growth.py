"""Sequences with gaps grown by one step, all prefixes at once; `pairs.match` does it for one, and is the judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.events.mining.activity import Bools, Ints
from services.events.mining.pairs import View

_SMALL = 1 << 16


@dataclass(frozen=True)
class Frontier:
    """Sequences of one length and where they end. tokens: (p, k) each sequence's steps; owners: (n,) ascending numbers
    of sequences; ends: (n,) the item that an occurrence ends with, ascending and distinct within a sequence."""

    tokens: Ints
    owners: Ints
    ends: Ints


def singles(seen: View) -> Frontier:
    """Every token that occurs, as a sequence of one step."""
    tokens = seen.sessions.tokens
    places = by_value(tokens, max(seen.sessions.alphabet, 1))
    present, owners = np.unique(tokens[places], return_inverse=True)
    return Frontier(present.reshape(-1, 1).astype(np.int64), owners.astype(np.int64), places)


def follow(seen: View, grown: Frontier) -> tuple[Ints, Ints]:
    """Rows of the frontier and the items that follow them, nearest first, by row and item.

    Within a sequence each row has at most one end of each token, and each item ends at most one row.
    """
    tokens, starts, owners = seen.sessions.tokens, grown.ends, grown.owners
    last = len(tokens) - 1
    before = tokens[starts]
    reach = seen.reach[starts]
    after = [_neighbour(owners, starts, distance) for distance in range(1, seen.max_gap)]
    taken: list[Bools] = []
    ended: list[Ints] = []
    for gap in range(1, seen.max_gap + 1):
        ends = tokens[np.minimum(starts + gap, last)]
        free = (reach >= gap) & (ends != before)
        for nearer, earlier in enumerate(taken, start=1):
            free &= ~(earlier & (ended[nearer - 1] == ends))
            rival = after[gap - nearer - 1]
            free &= ~((rival >= 0) & earlier[rival])
        taken.append(free)
        ended.append(ends)
    rows = [np.flatnonzero(free) for free in taken]
    found = np.concatenate(rows)
    items = np.concatenate([starts[row] + gap for gap, row in enumerate(rows, start=1)])
    order = by_value(found * seen.max_gap + items - starts[found] - 1, len(starts) * seen.max_gap)
    return found[order], items[order]


def _neighbour(owners: Ints, starts: Ints, distance: int) -> Ints:
    """For each row the row of the same sequence that ends so many items later, or -1."""
    size = len(starts)
    result = np.full(size, -1, dtype=np.int64)
    for step in range(1, min(distance, size - 1) + 1):
        same = (starts[step:] - starts[:-step] == distance) & (owners[step:] == owners[:-step])
        places = np.flatnonzero(same)
        result[places] = places + step
    return result


def by_value(values: Ints, bound: int) -> Ints:
    """Places of values below the bound, ascending, equal ones in their order; small numbers sort many times faster."""
    small = values.astype(np.uint16) if bound <= _SMALL else values
    return np.argsort(small, kind="stable").astype(np.int64)


def frequent(seen: View, longest: int, least: int) -> dict[tuple[int, ...], int]:
    """Every sequence of two to `longest` different tokens with at least so many occurrences, and how many it has.

    Prefixes that are not frequent are not grown, for what they grow to is no more frequent.
    """
    alphabet = max(seen.sessions.alphabet, 1)
    grown = singles(seen)
    found: dict[tuple[int, ...], int] = {}
    for length in range(2, longest + 1):
        rows, items = follow(seen, grown)
        owners, tokens = grown.owners[rows], seen.sessions.tokens[items]
        size = len(grown.tokens)
        inside = np.zeros((size, alphabet), dtype=np.bool_)
        inside[np.arange(size)[:, None], grown.tokens] = True
        keys = owners * alphabet + tokens
        counts = np.where(inside.ravel(), 0, np.bincount(keys, minlength=size * alphabet))
        kept = np.flatnonzero(counts >= least)
        sequences = np.column_stack((grown.tokens[kept // alphabet], kept % alphabet))
        found.update(zip(map(tuple, sequences.tolist()), counts[kept].tolist(), strict=True))
        if length == longest or not len(kept):
            break
        numbers = np.full(size * alphabet, -1, dtype=np.int64)
        numbers[kept] = np.arange(len(kept))
        owners = numbers[keys]
        items, owners = items[owners >= 0], owners[owners >= 0]
        order = by_value(owners, len(kept))
        order = order[np.lexsort((items[order], owners[order]))] if length > 2 else order
        grown = Frontier(sequences, owners[order], items[order])
    return found
