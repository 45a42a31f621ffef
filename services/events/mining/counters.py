"""Pair counters that take events in batches: any split of a stream into batches gives the same counts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from services.events.mining import batches, fading
from services.events.mining.activity import Floats, Ints
from services.events.mining.options import DEFAULT, HOUR, Options
from services.events.mining.pairs import match, view

MOST_PAIRS = 200_000
_SPARE = 50_000
_MOST_PARTS = 64


@dataclass
class Counters:
    """State of one organisation; every part is a polars frame and can be stored as it is.

    tails: each actor's last items, enough to go on from; pending: events younger than the watermark, which late
    events may still precede; dropped: the most that bounding the table may have lost of any pair's count.
    """

    options: Options = DEFAULT
    watermark: float = HOUR
    most_pairs: int = MOST_PAIRS
    tables: list[pl.DataFrame] = field(default_factory=list)
    totals: list[pl.DataFrame] = field(default_factory=list)
    tails: pl.DataFrame = field(default_factory=batches.empty_tails)
    pending: pl.DataFrame | None = None
    latest: float = -np.inf
    dropped: int = 0

    def add(self, actors: Ints, tokens: Ints, times: Floats) -> None:
        """A batch of events (seconds), none later than the watermark. Ties keep the order of arrival."""
        batch = pl.DataFrame({"actor": actors, "token": tokens, "time": times})
        waiting = batch if self.pending is None else pl.concat([self.pending, batch])
        if not len(waiting):
            return
        self.latest = max(self.latest, float(times.max())) if len(times) else self.latest
        due = waiting["time"] <= (self.latest - self.watermark if self.watermark > 0 else np.inf)
        self.pending = waiting.filter(~due)
        self._take(waiting.filter(due))

    def flush(self) -> None:
        """Counts what is pending: nothing late is expected any more."""
        if self.pending is not None:
            self._take(self.pending)
            self.pending = None

    def pairs(self) -> pl.DataFrame:
        """One row an (actor, first, last): matches `count`, `adjacent` ones, `days`, the delays' bins, and `recent`, a
        fading count; see `fading.worth`."""
        self.tables = [batches.merged(self.tables)]
        return self.tables[0]

    def alive(self, day: int) -> pl.DataFrame:
        """The pairs that are not forgotten by a day since the epoch, with `recent` as matches of that day."""
        table = self.pairs()
        worth = fading.worth(table["recent"].to_numpy(), day)
        return table.with_columns(recent=worth).filter(pl.col("recent") >= fading.FLOOR)

    def retire(self, day: int) -> int:
        """Lets go of the pairs that are forgotten by a day since the epoch; how many."""
        table = self.pairs()
        kept = fading.worth(table["recent"].to_numpy(), day) >= fading.FLOOR
        self.tables = [table.filter(pl.Series(kept, dtype=pl.Boolean))]
        return len(table) - len(self.tables[0])

    def tokens(self) -> pl.DataFrame:
        """Columns actor, token, count: how often each actor did each token, repeats at once counted once."""
        if not self.totals:
            return pl.DataFrame(schema={"actor": pl.Int64, "token": pl.Int64, "count": pl.Int64})
        summed = pl.concat(self.totals).group_by("actor", "token").agg(pl.col("count").sum())
        self.totals = [summed.sort("actor", "token")]
        return self.totals[0]

    def erase(self, actor: int) -> None:
        """Forgets the actor, as if the actor had never been seen."""
        others = pl.col("actor") != actor
        self.tables = [self.pairs().filter(others)]
        self.totals = [self.tokens().filter(others)]
        self.tails = self.tails.filter(others)
        self.pending = None if self.pending is None else self.pending.filter(others)

    def _take(self, events: pl.DataFrame) -> None:
        if not len(events):
            return
        events = events.sort("actor", "time", maintain_order=True)
        present = pl.col("actor").is_in(events["actor"].unique().to_list())
        items = batches.items(self.tails.filter(present), events, self.options)
        sessions = items.sessions
        seen = view(sessions, max(self.options.windows), self.options.max_gap)
        starts, ends = match(seen, np.arange(len(sessions), dtype=np.int64))
        new = items.fresh[ends]
        self.tables.append(batches.tabulated(sessions, starts[new], ends[new]))
        self.totals.append(batches.totals(sessions, items.fresh))
        self.tails = pl.concat([self.tails.filter(~present), batches.tail(sessions, self.options.max_gap)])
        self._bound()

    def _bound(self) -> None:
        """Adds up the tables now and then; beyond the limit the rarest pairs go, as in Lossy Counting."""
        size = sum(len(table) for table in self.tables)
        if len(self.tables) > 1 and size > 2 * len(self.tables[0]) + _SPARE:
            table, floor = self.pairs(), 0
            while len(table) > self.most_pairs:
                floor += 1
                table = table.filter(pl.col("count") > floor)
            self.dropped += floor
            self.tables = [table]
        if len(self.totals) > _MOST_PARTS:
            self.tokens()
