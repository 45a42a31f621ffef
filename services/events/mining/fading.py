"""Memory that fades: a second count beside each exact one, in which what is older weighs less.

A thing weighs more the later it was done, instead of less with every day that passes, so no count is touched but when
something is added to it. Weights have nine bits before a power of two: sums over some 30 half-lives are exact, whatever
their order.
"""

from __future__ import annotations

import numpy as np

from services.events.mining.activity import Floats, Ints
from services.events.mining.options import DAY

HALF_LIFE_DAYS = 30
RELATION_HALF_LIFE_DAYS = 365
# Of what is worth less than half a thing done today nothing more is told.
FLOOR = 0.5
_FINE = 256.0


def weights(days: Ints, half_life: int = HALF_LIFE_DAYS) -> Floats:
    """(n,) what one thing done on each day adds to a fading count; days: since the epoch."""
    fine = np.rint(_FINE * np.exp2((days % half_life) / half_life))
    grown: Floats = np.ldexp(fine, (days // half_life).astype(np.int32))
    return grown


def worth(counts: Floats, day: int, half_life: int = HALF_LIFE_DAYS) -> Floats:
    """(n,) fading counts as so many things done on the day."""
    one = float(np.rint(_FINE * np.exp2((day % half_life) / half_life)))
    value: Floats = np.ldexp(counts / one, -(day // half_life))
    return value


def faded(times: Floats, now: float, half_life: int = HALF_LIFE_DAYS) -> float:
    """As how many things done now those done at times (n,), seconds, still count."""
    return float(np.exp2((times - now) / (half_life * DAY)).sum())


def recency(times: Floats, begin: float, now: float, half_life: int = HALF_LIFE_DAYS) -> float:
    """How alive something is that was done at times (n,): what is left of it against what would be, had it been done as
    often at even distances from begin to now; at most 1."""
    ages = (np.arange(len(times)) + 0.5) / max(len(times), 1) * (now - begin)
    even = float(np.exp2(-ages / (half_life * DAY)).sum())
    return min(1.0, faded(times, now, half_life) / even) if even > 0 else 1.0
