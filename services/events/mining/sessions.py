"""Splits each actor's activity into sessions and collapses immediate repeats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.events.mining.activity import Activities, Bools, Floats, Ints
from services.events.mining.options import DAY, DEFAULT, Options


@dataclass(frozen=True)
class Order:
    """Rows of the activities by actor, time and position, each with its session, all int64 (n,)."""

    rows: Ints
    sessions: Ints
    actors: Ints
    names: list[str | None]


@dataclass(frozen=True)
class Sessions:
    """Items: runs of one token within one session, in order. All arrays have one entry an item.

    starts and ends are seconds; first_rows the input index of a run's first event; lengths its events;
    days the number of the local day since the epoch; blocks cut long sessions into even parts of few items.
    """

    tokens: Ints
    sessions: Ints
    blocks: Ints
    actors: Ints
    starts: Floats
    ends: Floats
    first_rows: Ints
    lengths: Ints
    days: Ints
    names: list[str | None]
    alphabet: int

    def __len__(self) -> int:
        return len(self.tokens)


def order(activities: Activities, options: Options = DEFAULT) -> Order:
    """Every actor's rows in time, cut where the pause is longer than `session_gap`."""
    names = sorted(set(activities.actors), key=lambda name: name or "")
    numbers = {name: number for number, name in enumerate(names)}
    actors = np.array([numbers[name] for name in activities.actors], dtype=np.int64)
    rows = np.lexsort((activities.positions, activities.times, actors)).astype(np.int64)
    actors, times = actors[rows], activities.times[rows]
    return Order(rows, cut(actors, times, options.session_gap), actors, names)


def cut(actors: Ints, times: Floats, gap: float) -> Ints:
    """Session numbers from 0 of rows that are already in order."""
    if not len(times):
        return np.zeros(0, dtype=np.int64)
    breaks = (np.diff(actors) != 0) | (np.diff(times) > gap)
    return np.concatenate(([0], np.cumsum(breaks))).astype(np.int64)


def acts(activities: Activities, codes: Ints, ordered: Order, favoured: Bools | None = None) -> Order:
    """The order with one row for each moment of an actor in a source, for its events have no order among themselves.

    Many events of one moment are one act told in parts, as a commit and its files are. The part that stands for the
    act is the one whose token is found in the most moments, a `favoured` (n,) one before all, the earliest if equal.
    """
    if not len(ordered.rows):
        return ordered
    names = {name: number for number, name in enumerate(sorted(set(activities.sources)))}
    sources = np.array([names[name] for name in activities.sources], dtype=np.int64)[ordered.rows]
    times, tokens = activities.times[ordered.rows], codes[ordered.rows]
    by_source = np.lexsort((times, sources, ordered.actors))
    fresh = np.ones(len(times), dtype=np.bool_)
    for column in (times, sources, ordered.actors):
        sorted_column = column[by_source]
        fresh[1:] &= sorted_column[1:] == sorted_column[:-1]
    fresh[1:] = ~fresh[1:]
    moments = np.empty(len(times), dtype=np.int64)
    moments[by_source] = np.cumsum(fresh) - 1
    size = int(tokens.max()) + 1
    found = np.bincount(np.unique(moments * size + tokens) % size, minlength=size)
    liked = np.zeros(len(times), dtype=np.bool_) if favoured is None else favoured[ordered.rows]
    ranked = np.lexsort((np.arange(len(times)), -found[tokens], ~liked, moments))
    first = np.append(True, np.diff(moments[ranked]) != 0)
    kept = np.sort(ranked[first])
    return Order(ordered.rows[kept], ordered.sessions[kept], ordered.actors[kept], ordered.names)


def collapse(
    activities: Activities, codes: Ints, alphabet: int, ordered: Order, options: Options = DEFAULT
) -> Sessions:
    """Items of one coding: a token that repeats at once is one item with a run length."""
    tokens, times = codes[ordered.rows], activities.times[ordered.rows]
    first = _starts(tokens, ordered.sessions)
    at = np.flatnonzero(first)
    lengths = np.diff(np.append(at, len(tokens)))
    starts = times[at]
    return Sessions(
        tokens=tokens[at],
        sessions=ordered.sessions[at],
        blocks=_blocks(ordered.sessions[at], options.block_size),
        actors=ordered.actors[at],
        starts=starts,
        ends=times[at + lengths - 1] if len(at) else starts,
        first_rows=ordered.rows[at],
        lengths=lengths,
        days=np.floor(activities.local[ordered.rows][at] / DAY).astype(np.int64),
        names=ordered.names,
        alphabet=alphabet,
    )


def _starts(tokens: Ints, sessions: Ints) -> Bools:
    first = np.ones(len(tokens), dtype=np.bool_)
    first[1:] = (tokens[1:] != tokens[:-1]) | (sessions[1:] != sessions[:-1])
    return first


def _blocks(sessions: Ints, most: int) -> Ints:
    """Block numbers from 0: each session in as few blocks of nearly equal size as hold at most `most` items each."""
    if not len(sessions):
        return sessions
    sizes = np.bincount(sessions)
    parts = -(-sizes // most)
    begin = np.cumsum(sizes) - sizes
    place = np.arange(len(sessions)) - begin[sessions]
    numbers = (np.cumsum(parts) - parts)[sessions] + place * parts[sessions] // np.maximum(sizes[sessions], 1)
    dense: Ints = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    return dense
