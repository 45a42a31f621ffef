"""What the miner answers with."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.events.mining.certainty import wilson
from services.events.mining.symbols import Token

SEQUENCE, RULE, RELATION, HABIT = "sequence", "rule", "relation", "habit"


@dataclass(frozen=True)
class Pattern:
    """One thing that repeats.

    support: occurrences that do not overlap; trials: times it could have gone on (confidence = support / trials);
    lift and p_value: against chance, of the weakest step; gaps: median seconds before each step after the first;
    first_seen, last_seen: seconds since the epoch; evidence: one tuple of input indexes an occurrence, oldest first;
    recency: 1 for what is done as often as ever, less for what fades.
    """

    kind: str
    steps: tuple[Token, ...]
    support: int
    trials: int
    lift: float
    p_value: float
    actors: tuple[str | None, ...]
    sessions: int
    days: int
    median_gap_seconds: float
    gaps: tuple[float, ...]
    minutes_per_week: float
    first_seen: float
    last_seen: float
    window: float
    evidence: tuple[tuple[int, ...], ...]
    details: dict[str, object] = field(default_factory=dict)
    recency: float = 1.0

    @property
    def confidence(self) -> float:
        """How often what went before was followed by the last step."""
        return self.support / self.trials if self.trials else 0.0

    @property
    def certainty(self) -> float:
        """Lower end of the confidence's 95 % interval: few observations weigh less."""
        return wilson(self.support, self.trials)

    @property
    def score(self) -> float:
        """Rank among suggestions: minutes saved, weighed by certainty and by how alive it still is."""
        return self.minutes_per_week * self.certainty * self.recency
