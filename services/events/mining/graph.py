"""The directly-follows graph: which action comes right after which, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from services.events.mining.activity import Activities, Ints
from services.events.mining.options import DEFAULT, Options
from services.events.mining.sessions import collapse, order
from services.events.mining.symbols import Token
from services.events.mining.tokens import plain


@dataclass(frozen=True)
class Edge:
    """`count` times the target came right after the source; median_seconds between the two."""

    source: Token
    target: Token
    count: int
    median_seconds: float


@dataclass(frozen=True)
class Graph:
    """Actions with how often they were done, and edges, both the most frequent first."""

    nodes: tuple[tuple[Token, int], ...]
    edges: tuple[Edge, ...]


def directly_follows(cases: pl.Series, actions: pl.Series) -> pl.DataFrame:
    """Columns source, target, count of actions that follow each other in their case.

    cases, actions: one length, strings or numbers; rows of a case in order of time, cases may be interleaved.
    """
    frame = pl.DataFrame({"case": cases, "source": actions})
    heads = cases.filter((cases != cases.shift()).fill_null(value=True))
    if heads.n_unique() < len(heads):
        frame = frame.sort("case", maintain_order=True)
    same, target = pl.col("case") == pl.col("case").shift(-1), pl.col("source").shift(-1).alias("target")
    pairs = frame.lazy().select("source", target, same=same).filter("same")
    return pairs.group_by("source", "target").agg(pl.len().cast(pl.Int64).alias("count")).collect()


class Numbers:
    """Numbers strings in the order in which they first come, as polars does for categories."""

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        self._type = pl.Categorical(self._categories)
        # Polars forgets categories that no series is of.
        self._held = pl.Series([], dtype=self._type)
        self._size = 0

    def of(self, values: pl.Series) -> Ints:
        """The number of each string."""
        numbers: Ints = values.cast(self._type).to_physical().to_numpy().astype(np.int64)
        self._size = max(self._size, int(numbers.max(initial=-1)) + 1)
        return numbers

    def names(self, start: int = 0) -> list[str]:
        """The strings by number, from one of them on."""
        numbers = pl.Series(np.arange(start, self._size, dtype=np.uint32))
        names: list[str] = numbers.cat.to(self._type).cast(pl.String).to_list()
        return names

    def __len__(self) -> int:
        return self._size


def _counted(values: Ints, bound: int) -> tuple[Ints, Ints]:
    """Distinct values below the bound, ascending, and how often each is there; unsorted where few can be."""
    if bound > max(8 * len(values), 4096):
        return np.unique(values, return_counts=True)
    counts = np.bincount(values, minlength=bound)
    found = np.flatnonzero(counts)
    return found, counts[found]


def _begins(owners: Ints) -> Ints:
    """Where another owner begins than the one before."""
    return np.append(0, np.flatnonzero(owners[1:] != owners[:-1]) + 1)


@dataclass
class Stream:
    """The graph of a stream of events in batches: state is the last action of each case and the counts so far."""

    cases: Numbers = field(default_factory=Numbers)
    actions: Numbers = field(default_factory=Numbers)
    last: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    counts: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))

    def add(self, cases: pl.Series, actions: pl.Series) -> tuple[Ints, Ints]:
        """Events in order of arrival, as strings; the numbers of the cases and of the pairs that changed.

        A pair's number is that of its first action × the number of rows of `counts`, plus that of its second.
        """
        owners, numbers = self.cases.of(cases), self.actions.of(actions)
        self._make_room()
        if not len(owners):
            return owners, numbers
        begin = _begins(owners)
        heads = np.sort(owners[begin])
        if (heads[1:] == heads[:-1]).any():
            by_case = np.argsort(owners, kind="stable")
            owners, numbers = owners[by_case], numbers[by_case]
            begin = _begins(owners)
        before = np.roll(numbers, 1)
        before[begin] = self.last[owners[begin]]
        known = before >= 0
        size = self.counts.shape[0]
        pairs, times = _counted((before * size + numbers)[known], size * size)
        self.counts.reshape(-1)[pairs] += times
        ends = np.append(begin[1:], len(owners)) - 1
        self.last[owners[ends]] = numbers[ends]
        return owners[ends], pairs

    def _make_room(self) -> None:
        more = len(self.cases) - len(self.last)
        if more > 0:
            self.last = np.append(self.last, np.full(more + len(self.last), -1, dtype=np.int64))
        missing = len(self.actions) - self.counts.shape[0]
        if missing > 0:
            self.counts = np.pad(self.counts, (0, missing))

    def edges(self) -> dict[tuple[str, str], int]:
        """How often each action came right after another."""
        names = self.actions.names()
        return {(names[one], names[two]): int(self.counts[one, two]) for one, two in np.argwhere(self.counts).tolist()}


def view(activities: Activities, options: Options = DEFAULT, most: int = 200) -> Graph:
    """The graph of all actors' sessions by templated action, with at most `most` edges."""
    coding = plain(activities)
    sessions = collapse(activities, coding.codes, len(coding.tokens), order(activities, options), options)
    totals = np.bincount(sessions.tokens, minlength=len(coding.tokens))
    nodes = sorted(((coding.tokens[code], int(count)) for code, count in enumerate(totals)), key=_frequency)
    if len(sessions) < 2:
        return Graph(tuple(nodes), ())
    same = sessions.sessions[1:] == sessions.sessions[:-1]
    frame = pl.DataFrame(
        {
            "source": sessions.tokens[:-1][same],
            "target": sessions.tokens[1:][same],
            "seconds": (sessions.starts[1:] - sessions.ends[:-1])[same],
        }
    )
    edges = frame.group_by("source", "target").agg(pl.len().alias("count"), pl.col("seconds").median())
    edges = edges.sort("count", "source", "target", descending=[True, False, False]).head(most)
    return Graph(
        tuple(nodes),
        tuple(
            Edge(coding.tokens[source], coding.tokens[target], count, seconds)
            for source, target, count, seconds in edges.select("source", "target", "count", "seconds").iter_rows()
        ),
    )


def _frequency(node: tuple[Token, int]) -> tuple[int, str, str, str]:
    return -node[1], node[0].source, node[0].type, node[0].subject or ""
