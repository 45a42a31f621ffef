"""The vectorised inside of the pair counters: items of a batch, its table of pairs, and how tables add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from services.events.mining import fading
from services.events.mining.activity import Bools, Floats, Ints
from services.events.mining.options import DAY, Options
from services.events.mining.sessions import Sessions

# Upper ends of the delay bins in seconds: near powers of two, with the mining windows among them.
EDGES = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
BINS = [f"bin{number}" for number in range(len(EDGES) + 1)]
KEY = ["actor", "first", "last"]
SUMS = ["count", "adjacent", "days", *BINS]
BITS = 21


@dataclass(frozen=True)
class Items:
    """Items of the actors in a batch, the kept tails first; fresh: (items,) begun in this batch."""

    sessions: Sessions
    fresh: Bools


def empty_tails() -> pl.DataFrame:
    """Tails of nobody."""
    numbers = {"actor": pl.Int64, "token": pl.Int64}
    return pl.DataFrame(schema={**numbers, "start": pl.Float64, "end": pl.Float64, "fresh": pl.Boolean})


def items(tails: pl.DataFrame, events: pl.DataFrame, options: Options) -> Items:
    """Collapses tails and events (both by actor and time) into items of sessions."""
    time = pl.col("time")
    rows = pl.concat(
        [tails, events.select("actor", "token", time.alias("start"), time.alias("end"), fresh=pl.lit(True))]
    )
    rows = rows.sort("actor", maintain_order=True)
    actors, tokens = rows["actor"].to_numpy(), rows["token"].to_numpy()
    starts, ends, fresh = rows["start"].to_numpy(), rows["end"].to_numpy(), rows["fresh"].to_numpy()
    breaks = np.ones(len(rows), dtype=np.bool_)
    breaks[1:] = (actors[1:] != actors[:-1]) | (starts[1:] - ends[:-1] > options.session_gap)
    first = breaks.copy()
    first[1:] |= tokens[1:] != tokens[:-1]
    at = np.flatnonzero(first)
    last = np.append(at[1:], len(rows)) - 1
    sessions = Sessions(
        tokens=tokens[at],
        sessions=np.cumsum(breaks)[at] - 1,
        blocks=np.zeros(len(at), dtype=np.int64),
        actors=actors[at],
        starts=starts[at],
        ends=ends[last],
        first_rows=at,
        lengths=last - at + 1,
        days=np.floor(starts[at] / DAY).astype(np.int64),
        names=[],
        alphabet=int(tokens.max()) + 1,
    )
    return Items(sessions, fresh[at])


def tail(sessions: Sessions, count: int) -> pl.DataFrame:
    """Each actor's last items of the last session."""
    size = len(sessions)
    changes = np.flatnonzero(np.diff(sessions.sessions)) + 1
    begin, end = np.append(0, changes), np.append(changes, size)
    last_of_actor = np.append(sessions.actors[1:] != sessions.actors[:-1], True)
    open_session = np.isin(end - 1, np.flatnonzero(last_of_actor))
    place = np.arange(size)
    keep = (np.repeat(end, end - begin) - place <= count) & np.repeat(open_session, end - begin)
    return pl.DataFrame(
        {
            "actor": sessions.actors[keep],
            "token": sessions.tokens[keep],
            "start": sessions.starts[keep],
            "end": sessions.ends[keep],
            "fresh": np.zeros(int(keep.sum()), dtype=np.bool_),
        }
    )


def tabulated(sessions: Sessions, starts: Ints, ends: Ints) -> pl.DataFrame:
    """One row an (actor, first, last) of the matches from start to end items."""
    if not len(starts):
        return merged([])
    delays = sessions.starts[ends] - sessions.ends[starts]
    keys = _packed(sessions.actors[ends], sessions.tokens[starts], sessions.tokens[ends])
    order = np.lexsort((sessions.days[ends], keys))
    keys, days = keys[order], sessions.days[ends][order]
    fresh = np.diff(keys, prepend=-1) != 0
    begin, group = np.flatnonzero(fresh), np.cumsum(fresh) - 1
    bins = np.searchsorted(EDGES, delays[order], side="left")
    histogram = np.bincount(group * len(BINS) + bins, minlength=len(begin) * len(BINS)).reshape(-1, len(BINS))
    new_day = fresh | (np.diff(days, prepend=-1) != 0)
    sums = np.column_stack(
        (
            np.bincount(group, minlength=len(begin)),
            np.bincount(group, (ends - starts == 1)[order], minlength=len(begin)),
            np.bincount(group, new_day, minlength=len(begin)),
            histogram,
        )
    )
    last = np.append(begin[1:], len(keys)) - 1
    recent = np.bincount(group, fading.weights(days), minlength=len(begin)).astype(np.float64)
    return _frame(keys[begin], sums.astype(np.int64), (days[begin], days[last]), recent)


def merged(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Tables of consecutive batches, in that order, as one: a day that one ends and the next begins counts once."""
    none = np.zeros(0, dtype=np.int64)
    if not tables:
        return _frame(none, np.zeros((0, len(SUMS)), dtype=np.int64), (none, none), np.zeros(0))
    stacked = pl.concat(tables)
    keys = _packed(*(stacked[name].to_numpy() for name in KEY))
    order = np.argsort(keys, kind="stable")
    keys, first, last = keys[order], stacked["first_day"].to_numpy()[order], stacked["last_day"].to_numpy()[order]
    fresh = np.diff(keys, prepend=-1) != 0
    begin = np.flatnonzero(fresh)
    if not len(begin):
        return stacked
    sums = stacked.select(SUMS).to_numpy()[order]
    again = np.append(False, (first[1:] == last[:-1]) & ~fresh[1:])
    sums[:, SUMS.index("days")] -= again
    return _frame(
        keys[begin],
        np.add.reduceat(sums, begin, axis=0),
        (np.minimum.reduceat(first, begin), np.maximum.reduceat(last, begin)),
        np.add.reduceat(stacked["recent"].to_numpy()[order], begin),
    )


def totals(sessions: Sessions, fresh: Bools) -> pl.DataFrame:
    """Fresh items by actor and token."""
    frame = pl.DataFrame({"actor": sessions.actors[fresh], "token": sessions.tokens[fresh]})
    return frame.group_by("actor", "token").agg(pl.len().cast(pl.Int64).alias("count"))


def _packed(actors: Ints, firsts: Ints, lasts: Ints) -> Ints:
    """The three numbers, each below two million, as one."""
    return (actors << 2 * BITS) | (firsts << BITS) | lasts


def _frame(keys: Ints, sums: Ints, days: tuple[Ints, Ints], recent: Floats) -> pl.DataFrame:
    mask = (1 << BITS) - 1
    parts = {"actor": keys >> 2 * BITS, "first": (keys >> BITS) & mask, "last": keys & mask}
    columns = {name: np.ascontiguousarray(sums[:, place]) for place, name in enumerate(SUMS)}
    return pl.DataFrame({**parts, **columns, "first_day": days[0], "last_day": days[1], "recent": recent})
