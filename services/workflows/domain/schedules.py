"""Schedules, intervals and absences: when a trigger comes due next, and firing each due slot once.

A slot is named by its own moment, so that however many workers find it due, and however their clocks differ, the
firing is one row. Cron follows the zone's clock: a time that a change of clocks leaves out comes right after it, and
a time that it repeats comes once.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import pacing
from services.workflows.storage import awaited, timers
from shared import durations

LATE = timedelta(seconds=60)
MOST_AT_ONCE = 100


def first(spec: Mapping[str, Any], now: datetime) -> datetime | None:
    """When a trigger that begins now comes due first; None when time alone never fires it."""
    return following(spec, now, now)


def following(spec: Mapping[str, Any], anchor: datetime, after: datetime) -> datetime | None:
    """The first moment later than `after` at which a schedule or interval fires."""
    if spec["type"] == "schedule":
        local = after.astimezone(ZoneInfo(spec.get("timezone", "UTC")))
        found: datetime = next(CronSim(spec["cron"], local))
        return found.astimezone(UTC)
    if spec["type"] == "interval":
        every = durations.parse(spec["every"])
        return anchor + every * ((after - anchor) // every + 1)
    return None


def slots(spec: Mapping[str, Any], anchor: datetime, due: datetime, now: datetime) -> Iterator[datetime]:
    """The slots to fire of those from `due` to `now`, by the policy for missed ones; a hundred at most."""
    policy = spec.get("catch_up", "one" if spec["type"] == "interval" else "none")
    missed: list[datetime] = []
    moment: datetime | None = due
    while moment is not None and moment <= now and (policy != "all" or len(missed) < MOST_AT_ONCE):
        missed.append(moment)
        if policy != "all":
            missed = missed[-1:]
            moment = _near_the_end(spec, anchor, moment, now)
        else:
            moment = following(spec, anchor, moment)
    if policy == "none":
        missed = [moment for moment in missed if now - moment <= LATE]
    yield from missed


def _near_the_end(spec: Mapping[str, Any], anchor: datetime, moment: datetime, now: datetime) -> datetime | None:
    """Skip ahead over years of missed slots: only the last one before now matters."""
    if spec["type"] == "interval":
        last = following(spec, anchor, now - durations.parse(spec["every"]))
        return last if last is not None and last > moment else following(spec, anchor, moment)
    for back in (timedelta(hours=1), timedelta(days=1), timedelta(days=31)):
        candidate = following(spec, anchor, max(moment, now - back))
        if candidate is not None and candidate <= now:
            return candidate
    return following(spec, anchor, moment)


async def arm(session: AsyncSession, trigger: Any, event: Mapping[str, Any], *, begins: bool) -> None:
    """Let an absence trigger wait anew from a matching event on.

    One with `after` waits from an event that `begins` it to one that does not. By their own times they are put in
    order; the clock of the platform says when the waiting is over, so that what arrives late is not late by itself.
    """
    due = _moment(event, "received_at", "time") + durations.parse(trigger.spec["within"])
    if trigger.spec.get("after") is None:
        if not begins:
            await timers.arm(session, trigger.id, due, {"event": dict(event)})
        return
    key = pacing.key_of(trigger.spec.get("key"), {"event": event})
    at = _moment(event, "time", "received_at")
    await awaited.lock(session, trigger.id)
    if begins:
        await awaited.begin(session, trigger, key, {"event": dict(event), "begun_at": at, "due_at": due})
    else:
        await awaited.answer(session, trigger, key, at)


def _moment(event: Mapping[str, Any], *names: str) -> datetime:
    found = next(event[name] for name in names if event.get(name))
    return datetime.fromisoformat(str(found)).astimezone(UTC)
