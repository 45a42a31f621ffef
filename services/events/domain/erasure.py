"""The job `erasure`, and retention: events go, with their keys, counts and what was derived from them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import discovery, stats
from services.events.domain.jobs import Work
from services.events.domain.positions import Position
from services.events.storage import cursors, erasure, history
from services.events.storage import stats as stored_stats
from shared import clock
from shared.service import Service

BATCH = 2_000
_FIRST = UUID(int=0)


async def run(work: Work) -> None:
    """Erases an actor's events, or everything of an organisation; then mines what is left."""
    actor = work.job.input.get("actor")
    await _erase_events(work, actor)
    if actor is None:
        async with work.service.database.system() as session:
            await erasure.delete_derived(session, work.organization_id)
        return
    erased = work.job.accepted
    offered = await discovery.look(work)
    async with work.service.database.system() as session:
        await erasure.withdraw(session, work.organization_id, actor, offered, clock.now())
        await work.record(session, accepted=work.job.progress.get("erased", erased))


async def _erase_events(work: Work, actor: str | None) -> None:
    """A bounded piece a transaction; where it stands is stored with each, so that another worker can go on."""
    progress: dict[str, Any] = dict(work.job.progress)
    while True:
        above = (datetime.fromisoformat(progress["time"]), UUID(progress["id"])) if "id" in progress else None
        async with work.service.database.system() as session:
            rows = await erasure.page(session, work.organization_id, above, BATCH)
            if not rows:
                break
            gone = await forget(session, [row for row in rows if actor is None or row.actor == actor])
            progress = {"time": rows[-1].time.isoformat(), "id": str(rows[-1].id),
                        "erased": progress.get("erased", 0) + gone}  # fmt: skip
            await work.record(session, progress=progress, accepted=progress["erased"])
    work.job.progress.update(progress)


async def forget(session: AsyncSession, rows: Sequence[Row[Any]]) -> int:
    """Deletes events and takes those that were counted out of the counters; how many were there.

    What the miner has read goes too, for these events are in it: the next mining reads anew.
    """
    if not rows:
        return 0
    await history.forget(session, sorted({row.organization_id for row in rows}))
    counted = await cursors.interrupt(session, stats.CONSUMER)
    gone = set(await erasure.delete(session, rows))
    known = (row for row in rows if row.id in gone and Position(row.epoch, row.xid, row.sequence) <= counted)
    await stored_stats.add(session, stats.count(known, -1))
    return len(gone)


async def expire(service: Service, default_days: int) -> None:
    """Deletes what is older than its organisation wants it, then months that nobody wants any more."""
    async with service.database.system() as session:
        days = await erasure.retention_days(session)
    now = clock.now()
    youngest = now - timedelta(days=min([default_days, *days.values()]))
    above = _FIRST
    while True:
        async with service.database.system() as session:
            rows = await erasure.page_before(session, youngest, above, BATCH)
            if not rows:
                break
            old = [row for row in rows if _received(row.id) < now - _kept(row.organization_id, days, default_days)]
            await forget(session, old)
            above = rows[-1].id
    await _drop_months(service, now - timedelta(days=max([default_days, *days.values()])))


def _kept(organization_id: UUID, days: dict[UUID, int], default_days: int) -> timedelta:
    return timedelta(days=days.get(organization_id, default_days))


def _received(event_id: UUID) -> datetime:
    """The moment in a UUIDv7."""
    return datetime.fromtimestamp((event_id.int >> 80) / 1_000, UTC)


async def _drop_months(service: Service, before: datetime) -> None:
    """By now these months are empty; dropping them gives the space back."""
    async with service.database.system() as session:
        names = await erasure.partitions(session)
    for name in names:
        year, month = (int(part) for part in name.rsplit("_", 2)[1:])
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if end > before:
            break
        async with service.database.system() as session:
            await erasure.drop_partition(session, name)
    purged = BATCH
    while purged == BATCH:
        async with service.database.system() as session:
            purged = await erasure.purge_keys(session, before, BATCH)
