"""What chance alone would give: expected counts, tails, false discovery rate."""

from __future__ import annotations

import functools

import numpy as np

from services.events.mining.activity import Bools, Floats, Ints

_TINY = 1e-17


def binomial_tail(hits: Ints, trials: Ints, chances: Floats) -> Floats:
    """P(X ≥ hits) of a binomial, elementwise; 1 where hits do not exceed the mean.

    The starts of one pair have unequal chances; by Hoeffding (1956) the binomial with their mean chance has the
    heavier tail above the mean, so the value errs on the safe side, and a Poisson tail would err further.
    """
    result = np.ones(len(hits), dtype=np.float64)
    test = np.flatnonzero((hits > trials * chances) & (hits > 0) & (chances > 0))
    zero = (chances <= 0) & (hits > 0)
    result[zero] = 0.0
    if not len(test):
        return result
    logs = _log_factorials(int(trials.max()).bit_length())
    n, k, p = trials[test], hits[test], chances[test]
    full = p >= 1.0
    p = np.where(full, 0.5, p)
    term = np.exp(logs[n] - logs[k] - logs[n - k] + k * np.log(p) + (n - k) * np.log1p(-p))
    odds = p / (1.0 - p)
    total, step = term.copy(), 0
    while np.any(term > _TINY * total):
        term = term * np.maximum(n - k - step, 0) / (k + step + 1) * odds
        total = total + term
        step += 1
    result[test] = np.where(full, 1.0, np.minimum(total, 1.0))
    return result


@functools.lru_cache(maxsize=32)
def _log_factorials(bits: int) -> Floats:
    """ln(n!) for all n of so many bits."""
    table: Floats = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, 1 << bits)))))
    table.flags.writeable = False
    return table


def discoveries(p_values: Floats, hypotheses: float, level: float) -> Bools:
    """Benjamini and Hochberg over all hypotheses, the untested ones counted as p = 1."""
    kept = np.zeros(len(p_values), dtype=np.bool_)
    if not len(p_values) or hypotheses <= 0:
        return kept
    by_value = np.argsort(p_values, kind="stable")
    passes = np.flatnonzero(p_values[by_value] <= level * np.arange(1, len(p_values) + 1) / hypotheses)
    if len(passes):
        kept[by_value[: passes[-1] + 1]] = True
    return kept
