"""What our miner is measured against, written again from the papers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.events.mining.relations import LARGEST_SET


class Ranker(Protocol):
    """What learns commits and ranks companions."""

    def learn(self, things: Sequence[str], actor: str, time: float) -> None:
        """Takes in one commit."""

    def rank(self, thing: str, time: float, count: int = 10) -> list[tuple[str, float]]:
        """The likeliest companions."""


@dataclass
class Rose:
    """Zimmermann's ROSE (2005): confidence of one file for another, at least .1."""

    together: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    alone: Counter[str] = field(default_factory=Counter)

    def learn(self, things: Sequence[str], actor: str, time: float) -> None:  # noqa: ARG002 - the shape of a Ranker
        """Takes in one commit."""
        members = set(things)
        if len(members) > LARGEST_SET:
            return
        for thing in members:
            self.alone[thing] += 1
            self.together[thing].update(members - {thing})

    def rank(self, thing: str, time: float, count: int = 10) -> list[tuple[str, float]]:  # noqa: ARG002
        """The likeliest companions."""
        rules = [(other, found / self.alone[thing]) for other, found in self.together[thing].items()]
        good = [rule for rule in rules if rule[1] >= 0.1]
        return sorted(good, key=lambda rule: (-rule[1], -self.together[thing][rule[0]], rule[0]))[:count]
