"""Likely next actions: an online mixture of decayed context tables, of each actor and of all peers."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

Row = dict[int, float]
ROW_CAP = 24
LONGEST_CONTEXT = 4
RATE = 0.1
BUCKETS = 6
_FLOOR = 1e-6


@dataclass(frozen=True)
class Table:
    """A way to look at the recent past: which of the last actions it knows (1 = the last), how fast it forgets."""

    look: tuple[int, ...]
    decay: float
    peers: bool = False


TABLES: tuple[Table, ...] = (
    Table((), 0.8),
    Table((), 0.98),
    Table((1,), 0.75),
    Table((1,), 0.97),
    Table((1, 2), 0.75),
    Table((1, 2), 0.97),
    Table((1, 2, 3), 0.9),
    Table((1, 2, 3, 4), 0.9),
    Table((2,), 0.9),
    Table((), 0.9995, peers=True),
    Table((1,), 0.995, peers=True),
    Table((1, 2), 0.995, peers=True),
    Table((1, 2, 3), 0.995, peers=True),
    Table((1, 2, 3, 4), 0.995, peers=True),
    Table((1,), 0.97, peers=True),
    Table((2,), 0.995, peers=True),
    Table((1, 3), 0.995, peers=True),
)
# What stands before an actor's first action: how others have begun tells how this one will.
BEFORE = (-1,) * LONGEST_CONTEXT


@dataclass
class Predictor:
    """Learns from a stream of (actor, action) and answers what the actor will do next; one for an organisation.

    Rows keep the 24 heaviest actions. Weights stand for each (table, evidence of its row) and are learned online by
    exponentiated gradient on the log-loss, shared by all actors.
    """

    tables: tuple[Table, ...] = TABLES
    rows: dict[Hashable, Row] = field(default_factory=dict)
    evidence: dict[Hashable, float] = field(default_factory=lambda: defaultdict(float))
    logits: dict[tuple[int, int], float] = field(default_factory=dict)
    recent: dict[str, deque[int]] = field(default_factory=dict)

    def distribution(self, actor: str) -> dict[int, float]:
        """Probabilities of the actions that any table knows, summing to at most 1."""
        return self._mix(self._active(actor))

    def predict(self, actor: str, count: int = 5) -> list[int]:
        """The likeliest next actions, best first; ties by the action's number."""
        mixed = self.distribution(actor)
        return heapq.nsmallest(count, mixed, key=lambda action: (-mixed[action], action))

    def learn(self, actor: str, action: int) -> None:
        """Takes in what the actor did."""
        active = self._active(actor)
        self._weigh(active, action)
        for number, key in self._keys(actor):
            self._count(key, action, self.tables[number].decay)
        self.recent.setdefault(actor, deque(BEFORE, maxlen=LONGEST_CONTEXT)).append(action)

    def extend(self, stream: Iterable[tuple[str, int]]) -> None:
        """Takes in many."""
        for actor, action in stream:
            self.learn(actor, action)

    def _keys(self, actor: str) -> list[tuple[int, Hashable]]:
        past = self.recent.get(actor, BEFORE)
        keys: list[tuple[int, Hashable]] = []
        for number, table in enumerate(self.tables):
            context = tuple(past[-back] for back in table.look)
            keys.append((number, (number, None if table.peers else actor, context)))
        return keys

    def _active(self, actor: str) -> list[tuple[tuple[int, int], Row]]:
        """For each table that has seen this context: its weight's place and its row, normalised."""
        active = []
        for number, key in self._keys(actor):
            row = self.rows.get(key)
            if row:
                bucket = min(int(math.log2(self.evidence[key] + 1.0)), BUCKETS - 1)
                certain = 2 * bucket + (len(row) == 1)
                active.append(((number, certain), row))
        return active

    def _shares(self, active: list[tuple[tuple[int, int], Row]]) -> list[float]:
        raw = [math.exp(self.logits.get(place, _prior(self.tables[place[0]], place[1]))) for place, _ in active]
        total = sum(raw)
        return [value / total for value in raw]

    def _mix(self, active: list[tuple[tuple[int, int], Row]]) -> dict[int, float]:
        mixed: dict[int, float] = defaultdict(float)
        for share, (_, row) in zip(self._shares(active), active, strict=True):
            scale = share / sum(row.values())
            for action, weight in row.items():
                mixed[action] += scale * weight
        return mixed

    def _weigh(self, active: list[tuple[tuple[int, int], Row]], action: int) -> None:
        if not active:
            return
        shares = self._shares(active)
        told = [(row.get(action, 0.0) / sum(row.values())) for _, row in active]
        mixed = sum(share * chance for share, chance in zip(shares, told, strict=True))
        if mixed < _FLOOR:
            return
        for share, chance, (place, _) in zip(shares, told, active, strict=True):
            before = self.logits.get(place, _prior(self.tables[place[0]], place[1]))
            self.logits[place] = before + RATE * share * (chance / mixed - 1.0)

    def _count(self, key: Hashable, action: int, decay: float) -> None:
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = {}
        for known in row:
            row[known] *= decay
        row[action] = row.get(action, 0.0) + 1.0
        self.evidence[key] += 1.0
        if len(row) > ROW_CAP:
            del row[min(row, key=lambda known: (row[known], -known))]


def _prior(table: Table, certain: int) -> float:
    """Where learning starts: longer contexts and more evidence count more."""
    return 0.5 * len(table.look) + 0.3 * (certain // 2) + 0.5 * (certain % 2)


@dataclass
class Ipam:
    """Davison and Hirsh's predictor (1998), the yardstick: one decayed row for each last action."""

    keep: float = 0.8
    rows: dict[str, dict[int | None, Row]] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)

    def predict(self, actor: str, count: int = 5) -> list[int]:
        """The likeliest next actions, best first."""
        mine = self.rows.get(actor, {})
        row = mine.get(self.last.get(actor), mine.get(None, {}))
        best = heapq.nsmallest(count, row, key=lambda action: (-row[action], action))
        more = mine.get(None, {})
        fill = heapq.nsmallest(2 * count, more, key=lambda action: (-more[action], action))
        return (best + [action for action in fill if action not in best])[:count]

    def learn(self, actor: str, action: int) -> None:
        """Takes in what the actor did."""
        mine = self.rows.setdefault(actor, {})
        general = mine.setdefault(None, {})
        if actor in self.last:
            self._count(mine.setdefault(self.last[actor], dict(general)), action)
        self._count(general, action)
        self.last[actor] = action

    def _count(self, row: Row, action: int) -> None:
        for known in row:
            row[known] *= self.keep
        row[action] = row.get(action, 0.0) + 1.0 - self.keep
