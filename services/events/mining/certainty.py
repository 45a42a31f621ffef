"""How sure a share is that was seen so many times: Wilson's bound."""

import math

Z95 = 1.959963984540054


def wilson(hits: float, trials: float) -> float:
    """Lower end of Wilson's 95 % interval of hits among trials."""
    if trials <= 0:
        return 0.0
    share, square = hits / trials, Z95 * Z95
    centre = share + square / (2 * trials)
    spread = Z95 * math.sqrt(max(share * (1 - share), 0.0) / trials + square / (4 * trials * trials))
    return max(0.0, (centre - spread) / (1 + square / trials))
