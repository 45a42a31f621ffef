"""How far actors' clocks are ahead of UTC, moment by moment, so that habits keep their hour when clocks change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from services.events.mining.activity import Floats
from services.events.mining.options import MINUTE

# No zone changes its clock but at a multiple of this.
STEP = 15 * MINUTE


def offsets(times: Floats, zones: Sequence[str]) -> Floats | None:
    """Seconds (n,) to add to each time by the zone's clock; None where all is UTC."""
    names = sorted(set(zones) - {"UTC"})
    if not names:
        return None
    ahead = np.zeros(len(times), dtype=np.float64)
    given = np.array(zones)
    for name in names:
        rows = np.flatnonzero(given == name)
        moments, inverse = np.unique(np.floor(times[rows] / STEP), return_inverse=True)
        zone = ZoneInfo(name)
        ahead[rows] = np.array([_ahead(zone, float(moment) * STEP) for moment in moments])[inverse]
    return ahead


def _ahead(zone: ZoneInfo, seconds: float) -> float:
    offset = datetime.fromtimestamp(seconds, UTC).astimezone(zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0
