"""How long runs are kept: by age, a month at a time, and by number for each organisation; never one that goes on."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage import retention
from shared import clock
from shared.database import Database

AHEAD = 3
MOST_BATCHES = 200


async def make_ahead(database: Database) -> None:
    """Make the partitions of this month and the next ones."""
    month = clock.now().replace(day=1)
    for _ in range(AHEAD + 1):
        async with database.system() as session:
            await retention.ensure_month(session, month)
        month = (month + timedelta(days=32)).replace(day=1)


async def retain(database: Database, *, days: int, most: int) -> int:
    """Let go what has been kept long enough; answers how many months and runs."""
    cutoff = clock.now() - timedelta(days=days)
    async with database.system() as session:
        months = await retention.old_months(session, cutoff)
    gone = 0
    for name in months:
        async with database.system() as session:
            gone += await retention.is_alone(session) and await retention.drop_month(session, name, cutoff)
    if months and gone < len(months):
        # Their months stay for the sake of runs that go on; those that ended are not kept with them.
        bound = cutoff.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        gone += await _repeat(database, partial(retention.delete_aged, cutoff=bound))
    async with database.system() as session:
        crowded = await retention.crowded(session, most)
    for organization_id, last in crowded:
        beyond = partial(retention.delete_beyond, organization_id=organization_id, last=last)
        gone += await _repeat(database, beyond)
    # What is being stored just now may be seen before its run.
    await _repeat(database, partial(retention.delete_left, cutoff=clock.now() - timedelta(hours=1)))
    return gone


async def _repeat(database: Database, delete: Callable[[AsyncSession], Awaitable[int]]) -> int:
    """A batch a transaction, while nobody else tidies up."""
    total = 0
    for _ in range(MOST_BATCHES):
        async with database.system() as session:
            deleted = await delete(session) if await retention.is_alone(session) else 0
        total += deleted
        if deleted == 0:
            break
    return total
