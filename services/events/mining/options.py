"""What can be set about mining, with the values that were measured to be right."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
WEEK = 7 * DAY


@dataclass(frozen=True)
class Options:
    """Times are seconds. `alpha` is the false discovery rate of a whole run, shared by levels and windows;
    .02 is measured: it costs no recall against .05 and more than halves the false. `block_size` is the
    most items among which order is taken for exchangeable: what people do drifts within long sessions."""

    windows: tuple[float, ...] = (MINUTE, 5 * MINUTE, HOUR)
    max_gap: int = 3
    max_length: int = 8
    block_size: int = 20
    neighbourhood_size: int = 100
    session_gap: float = 30 * MINUTE
    min_support: int = 5
    min_days: int = 3
    alpha: float = 0.02
    keep_ratio: float = 0.9
    merge_jaccard: float = 0.7
    repair_seconds: float = 30.0
    confirm_seconds: float = 5.0
    longest_counted_gap: float = 2 * MINUTE
    least_actors: int = 3
    levels: tuple[str, ...] = ("exact", "templated", "type")


DEFAULT = Options()
