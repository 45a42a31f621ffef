"""What is due although nobody said so: runs, timers and runs that a limit held back. Every organisation's."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import schedules, triggers
from services.workflows.storage import awaited, leases, limits, old, timers
from services.workflows.storage.tables import run
from shared import backlog, clock, log
from shared.database import Database
from shared.pool import is_transient
from shared.testing.faults import failpoint

BATCH = 100
FAR_SECONDS = 3_600.0
KEEP_FIRINGS = timedelta(days=30)
KEEP_KEYS = timedelta(days=2)
SETBACK = timedelta(hours=1)

_log = log.get(__name__)


async def look(database: Database) -> float:
    """Seconds until the next run is due, 0 when one is due now."""
    async with database.statements() as connection:
        due_at, at = await leases.next_due(connection)
    return FAR_SECONDS if due_at is None else max(0.0, (due_at - at).total_seconds())


async def due(database: Database) -> dict[str, Any]:
    """How many runs could go on and have no worker, and for how long, for `/health/detailed`."""
    return await backlog.measure(database, run.c.due_at)


async def fire_timers(database: Database) -> tuple[int, float]:
    """Fire the triggers that time has made due; answers how many runs began, and the seconds until the next."""
    fired = 0
    next_at = await timers.next_due(database)
    if next_at is not None and next_at <= clock.now():
        fired = await _fire_due(database)
        next_at = await timers.next_due(database)
    if next_at is None:
        return fired, FAR_SECONDS
    return fired, (next_at - clock.now()).total_seconds()


async def _fire_due(database: Database) -> int:
    fired = 0
    async with database.system() as session:
        now = clock.now()
        for trigger in await timers.due(session, now, BATCH):
            fired += await _fire_alone(session, trigger, now)
        if fired:
            failpoint("timer-before-commit")
    if fired:
        failpoint("timer-after-commit")
    return fired


async def _fire_alone(session: AsyncSession, trigger: Any, now: datetime) -> int:
    """Fire one trigger; one that cannot be fired stands in no other's way, and loses this slot."""
    try:
        async with session.begin_nested():
            return await _fire(session, trigger, now)
    except Exception as problem:
        if is_transient(problem):
            raise
        _log.error("trigger-not-fired", trigger=str(trigger.id), exc_info=problem)
        await timers.move(session, trigger.id, now + SETBACK)
        return 0


async def let_go(database: Database) -> int:
    """Make held runs due wherever their limit has room again; answers how many."""
    if not await limits.any_held(database):
        return 0
    async with database.system() as session:
        keys = await limits.held_keys(session, BATCH)
    freed = 0
    for workflow_id, key in keys:
        async with database.system() as session:
            freed += await limits.let_go(session, workflow_id, key)
    return freed


async def purge(database: Database) -> None:
    """Forget firings, idempotency keys and inbox entries that nothing can repeat any more."""
    now = clock.now()
    async with database.system() as session:
        await old.purge(session, firings=now - KEEP_FIRINGS, keys=now - KEEP_KEYS, paces=now)


async def _tell_silence(session: AsyncSession, trigger: Any, event: dict[str, Any]) -> bool:
    return await triggers.fire(session, trigger, slot=f"silence after {event['id']}", event=event, data=None)


async def _fire(session: AsyncSession, trigger: Any, now: datetime) -> int:
    """Fire the due slots of one trigger, then set when it comes due next."""
    if trigger.type == "absence" and trigger.spec.get("after"):
        missed = await awaited.missed(session, trigger.id, now, BATCH)
        return sum([await _tell_silence(session, trigger, event) for event in missed])
    if trigger.type == "absence":
        began = await _tell_silence(session, trigger, trigger.state["event"])
        await timers.move(session, trigger.id, None)
        return int(began)
    began_runs = 0
    last = trigger.next_at
    for slot in schedules.slots(trigger.spec, trigger.anchored_at, trigger.next_at, now):
        name = slot.astimezone(UTC).isoformat()
        began_runs += await triggers.fire(session, trigger, slot=name, data={"slot": name})
        last = slot
    after = last if trigger.spec.get("catch_up") == "all" else now
    await timers.move(session, trigger.id, schedules.following(trigger.spec, trigger.anchored_at, after))
    return began_runs
