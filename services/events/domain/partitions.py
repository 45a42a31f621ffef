"""Months of the event log: made ahead by the worker, and here on demand."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import log
from shared import clock

AHEAD = 2

_made: set[tuple[int, int]] = set()


def are_current() -> bool:
    """Whether this process knows that this month's partition is there."""
    now = clock.now()
    return (now.year, now.month) in _made


async def ensure_current(session: AsyncSession) -> None:
    """Makes this month's partition, once a process and month."""
    now = clock.now()
    if not are_current():
        await log.ensure_partition(session, now)
        await log.begin_epoch(session)
        _made.add((now.year, now.month))


async def make_ahead(session: AsyncSession) -> None:
    """Makes the partitions of this month and the next ones."""
    month = clock.now().replace(day=1)
    for _ in range(AHEAD + 1):
        await log.ensure_partition(session, month)
        month = next_month(month)


def next_month(month: datetime) -> datetime:
    """The first of the following month."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)
