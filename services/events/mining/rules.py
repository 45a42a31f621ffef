"""Rules: when A happens B follows, and how soon; the delay's distribution sets the deadline of an alert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.events.mining.activity import Activities, Floats
from services.events.mining.batches import EDGES
from services.events.mining.options import DEFAULT, Options
from services.events.mining.pattern import RULE, Pattern

PAIR = 2


def find(activities: Activities, patterns: list[Pattern], options: Options = DEFAULT) -> list[Pattern]:
    """A rule for the first and last step of each significant sequence, with its delays.

    details: median_seconds, p90_seconds, confidence_within_p90, and histogram: 16 counts, bin i up to EDGES[i] seconds.
    """
    found: dict[tuple[object, object], Pattern] = {}
    for pattern in patterns:
        rule = _rule(activities, pattern)
        key = (pattern.steps[0], pattern.steps[-1])
        if key not in found or found[key].support < rule.support:
            found[key] = rule
    return [rule for rule in found.values() if rule.support >= options.min_support]


def _rule(activities: Activities, pattern: Pattern) -> Pattern:
    evidence = tuple((rows[0], rows[-1]) for rows in pattern.evidence)
    ends = np.array(evidence, dtype=np.int64)
    delays: Floats = activities.times[ends[:, 1]] - activities.times[ends[:, 0]]
    ninetieth = float(np.quantile(delays, 0.9, method="higher"))
    within = int(np.count_nonzero(delays <= ninetieth))
    histogram = np.bincount(np.searchsorted(EDGES, delays, side="left"), minlength=len(EDGES) + 1)
    details: dict[str, object] = {
        "median_seconds": float(np.median(delays)),
        "p90_seconds": ninetieth,
        "confidence_within_p90": within / pattern.trials,
        "histogram": histogram.tolist(),
    }
    middle = float(np.median(delays))
    steps = (pattern.steps[0], pattern.steps[-1])
    return replace(
        pattern,
        kind=RULE,
        steps=steps,
        evidence=evidence,
        gaps=(middle,),
        median_gap_seconds=middle,
        minutes_per_week=pattern.minutes_per_week if len(pattern.steps) == PAIR else 0.0,
        details=details,
    )
