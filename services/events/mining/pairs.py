"""Which items follow which: matches within a gap and a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.events.mining.activity import Ints
from services.events.mining.sessions import Sessions


@dataclass(frozen=True)
class View:
    """Sessions seen through one window (seconds) and gap (places); reach: (items,) how many items follow within."""

    sessions: Sessions
    window: float
    max_gap: int
    reach: Ints


def view(sessions: Sessions, window: float, max_gap: int) -> View:
    """The sessions through one window."""
    return View(sessions, window, max_gap, reach(sessions, sessions.sessions, window, max_gap))


def reach(sessions: Sessions, groups: Ints, window: float, max_gap: int) -> Ints:
    """For each item how many follow within window and gap and in the same group (session or block)."""
    size = len(sessions)
    result = np.zeros(size, dtype=np.int64)
    for gap in range(1, min(max_gap, size - 1) + 1):
        near = sessions.starts[gap:] - sessions.ends[:-gap] <= window
        result[: size - gap] += near & (groups[gap:] == groups[:-gap])
    return result


def match(seen: View, starts: Ints) -> tuple[Ints, Ints]:
    """Start and end items, nearest first: for any two tokens a start has at most one end, and an end one start.

    starts: ascending item indexes; starts of one token compete for ends, starts of different tokens do not.
    """
    tokens, size = seen.sessions.tokens, len(seen.sessions)
    taken: list[np.ndarray[tuple[int], np.dtype[np.bool_]]] = []
    for gap in range(1, seen.max_gap + 1):
        free = seen.reach[starts] >= gap
        ends = np.minimum(starts + gap, size - 1)
        free &= tokens[ends] != tokens[starts]
        for nearer, earlier in enumerate(taken, start=1):
            same_end_token = tokens[np.minimum(starts + nearer, size - 1)] == tokens[ends]
            free &= ~(earlier & same_end_token)
            rivals = np.maximum(ends - nearer, 0)
            place = np.minimum(np.searchsorted(starts, rivals), len(starts) - 1)
            rival_took = (starts[place] == rivals) & earlier[place] & (tokens[rivals] == tokens[starts])
            free &= ~rival_took
        taken.append(free)
    hits = [np.flatnonzero(free) for free in taken]
    found = np.concatenate([starts[hit] for hit in hits])
    ends = np.concatenate([starts[hit] + gap for gap, hit in enumerate(hits, start=1)])
    by_start = np.lexsort((ends, found))
    return found[by_start], ends[by_start]
