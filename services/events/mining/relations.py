"""Things that change together: files of one commit or one burst of saves, with memory that fades over a year."""

from __future__ import annotations

import heapq
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.events.mining.options import DAY, HOUR

LARGEST_SET = 30
NEIGHBOURS = 400
_PART = re.compile(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])|\d+")
_COMMON = frozenset({"test", "tests", "spec", "py", "js", "ts", "c", "h", "index", "init", "main", "mod"})


@dataclass(frozen=True)
class Fading:
    """How much a set of things tells. Seconds; weights without unit."""

    half_life: float = 365 * DAY
    prior: float = 0.6
    full_size: float = 8.0
    nearby: float = HOUR
    nearby_weight: float = 0.3
    name_weight: float = 0.6
    least: float = 0.1


@dataclass
class Relations:
    """Learns sets in order of time and answers what else changes when something does.

    Weights are kept as of the first set's time and grow with time instead of fading (forward decay), so nothing has
    to be touched but what changed. A thing keeps its 400 strongest neighbours.
    """

    fading: Fading = field(default_factory=Fading)
    near: dict[str, dict[str, float]] = field(default_factory=dict)
    mass: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    support: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    words: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    latest: dict[str, tuple[float, list[str]]] = field(default_factory=dict)
    start: float | None = None

    def learn(self, things: Sequence[str], actor: str, time: float) -> None:
        """One commit or burst; those of more than 30 things tell nothing of any pair but their being there."""
        members = sorted(set(things))
        growth = self._growth(time)
        for thing in members:
            for word in _words(thing):
                self.words[word].add(thing)
        if len(members) > LARGEST_SET:
            return
        weight = growth * min(1.0, self.fading.full_size / max(len(members), 1))
        before, others = self.latest.get(actor, (-math.inf, []))
        nearby = [other for other in others if other not in members] if time - before <= self.fading.nearby else []
        for thing in members:
            self.mass[thing] += weight
            row = self.near.setdefault(thing, {})
            for other in members:
                if other != thing:
                    row[other] = row.get(other, 0.0) + weight
                    self.support[thing, other] += 1
            for other in nearby:
                row[other] = row.get(other, 0.0) + weight * self.fading.nearby_weight
                back = self.near.setdefault(other, {})
                back[thing] = back.get(thing, 0.0) + weight * self.fading.nearby_weight
            self._bound(thing)
        self.latest[actor] = (time, members)

    def rank(self, thing: str, time: float, count: int = 10, least: float | None = None) -> list[tuple[str, float]]:
        """What is likely to change with the thing, best first, each with its estimated chance."""
        growth = self._growth(time)
        prior = self.fading.prior * growth
        total = self.mass.get(thing, 0.0) + prior
        scores = {other: weight / total for other, weight in self.near.get(thing, {}).items()}
        for other, alike in self._alike(thing).items():
            scores[other] = scores.get(other, 0.0) + prior / total * alike
        floor = self.fading.least if least is None else least
        best = heapq.nsmallest(count, scores, key=lambda other: (-scores[other], other))
        return [(other, min(scores[other], 1.0)) for other in best if scores[other] >= floor]

    def _growth(self, time: float) -> float:
        if self.start is None:
            self.start = time
        return math.exp2((time - self.start) / self.fading.half_life)

    def _alike(self, thing: str) -> dict[str, float]:
        """Similarly named things: share of common words, of which rare ones count more."""
        mine = _words(thing)
        scores: dict[str, float] = defaultdict(float)
        for word in mine:
            holders = self.words.get(word, set())
            if len(holders) <= LARGEST_SET:
                for other in holders:
                    scores[other] += 1.0 / (1.0 + math.log2(len(holders)))
        scores.pop(thing, None)
        return {other: self.fading.name_weight * min(1.0, score / max(len(mine), 1)) for other, score in scores.items()}

    def _bound(self, thing: str) -> None:
        row = self.near[thing]
        if len(row) > NEIGHBOURS:
            for other in heapq.nsmallest(len(row) - NEIGHBOURS, row, key=lambda other: (row[other], other)):
                del row[other]


def _words(path: str) -> set[str]:
    """The words of the last part of a path, and its folder as one."""
    folder, _, name = path.rpartition("/")
    stem = name.rsplit(".", 1)[0]
    return {word.lower() for word in _PART.findall(stem)} - _COMMON | {f"{folder}/{stem}"}
