"""The time of day, which tests may shift."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache


@cache
def _offset() -> timedelta:
    """FLOYO_CLOCK_OFFSET in seconds; honoured in the environment `test` alone."""
    if os.environ.get("FLOYO_ENVIRONMENT") != "test":
        return timedelta(0)
    return timedelta(seconds=float(os.environ.get("FLOYO_CLOCK_OFFSET", "0")))


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC) + _offset()
