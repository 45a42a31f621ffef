"""Confidence that means what it says: what people made of earlier suggestions corrects what is claimed for new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BUCKETS = 10
# The claim itself counts as much as this many decisions, so that a few decisions do not swing it.
PRIOR = 5.0


@dataclass(frozen=True)
class Calibration:
    """Decisions by tenth of the claimed certainty: how many there were, and how many accepted."""

    decided: tuple[int, ...] = (0,) * BUCKETS
    accepted: tuple[int, ...] = (0,) * BUCKETS

    def confidence(self, certainty: float) -> float:
        """The mean of a beta distribution that begins as the claim and saw the decisions of its bucket."""
        bucket = _bucket(certainty)
        return (self.accepted[bucket] + PRIOR * certainty) / (self.decided[bucket] + PRIOR)


def fit(outcomes: Iterable[tuple[float, bool]]) -> Calibration:
    """outcomes: (claimed certainty 0 to 1, whether the suggestion was accepted and kept), one a suggestion."""
    decided, accepted = [0] * BUCKETS, [0] * BUCKETS
    for certainty, kept in outcomes:
        decided[_bucket(certainty)] += 1
        accepted[_bucket(certainty)] += kept
    return Calibration(tuple(decided), tuple(accepted))


def error(claims: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error: |mean claim − share accepted| by bucket, weighed by the bucket's size."""
    parts: list[list[tuple[float, bool]]] = [[] for _ in range(BUCKETS)]
    for claim, kept in claims:
        parts[_bucket(claim)].append((claim, kept))
    gaps = (abs(sum(claim for claim, _ in part) - sum(kept for _, kept in part)) for part in parts)
    return sum(gaps) / max(len(claims), 1)


def _bucket(certainty: float) -> int:
    return min(max(int(certainty * BUCKETS), 0), BUCKETS - 1)
