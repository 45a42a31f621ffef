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

from services.workflows.storage import timers
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


async def arm(session: AsyncSession, trigger: Any, event: Mapping[str, Any]) -> None:
    """Let an absence trigger wait anew from a matching event on."""
    seen = datetime.fromisoformat(str(event.get("received_at") or event["time"]))
    due = seen.astimezone(UTC) + durations.parse(trigger.spec["within"])
    await timers.arm(session, trigger.id, due, {"event": dict(event)})
