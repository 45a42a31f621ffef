"""The time of day, which tests may shift."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache


@cache
def _offset() -> timedelta:
    """FLOYO_CLOCK_OFFSET in seconds, or `INSTANCE=SECONDS,…`; honoured in the environment `test` alone."""
    if os.environ.get("FLOYO_ENVIRONMENT") != "test":
        return timedelta(0)
    given = os.environ.get("FLOYO_CLOCK_OFFSET", "0")
    if "=" in given:
        offsets = dict(item.split("=") for item in given.split(","))
        given = offsets.get(os.environ.get("FLOYO_INSTANCE", ""), "0")
    return timedelta(seconds=float(given))


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC) + _offset()
