"""Habits as the clock sees them: when a schedule would fire, and how that is said."""

from __future__ import annotations

from collections.abc import Sequence

from services.events.mining.pattern import Pattern

_CRON = {"daily": "*", "weekdays": "1-5", "monday": "1", "tuesday": "2", "wednesday": "3", "thursday": "4",
         "friday": "5", "saturday": "6", "sunday": "0"}  # fmt: skip


def schedule(pattern: Pattern, zone: str) -> dict[str, str]:
    """The trigger that fires at the habit's usual minute by the actor's clock."""
    hour, minute = divmod(_minute(pattern), 60)
    return {"type": "schedule", "cron": f"{minute} {hour} * * {_CRON[_calendar(pattern)]}", "timezone": zone}


def when(pattern: Pattern) -> str:
    """Such as "on weekdays at 09:05"."""
    calendar = _calendar(pattern)
    days = {"daily": "every day", "weekdays": "on weekdays"}.get(calendar, f"every {calendar}")
    return f"{days} at {_minute(pattern) // 60:02}:{_minute(pattern) % 60:02}"


def explain(pattern: Pattern, what: str, left_out: Sequence[str]) -> str:
    """The reasoning of a habit's suggestion."""
    around = pattern.details["plus_minus_minutes"]
    chance = pattern.support / pattern.lift if pattern.lift else 0.0
    told = (
        f"{what}: done {when(pattern)}, give or take {around} minutes, on {pattern.support} of {pattern.trials} such "
        f"days with any activity; the shape of the day alone would give about {chance:.0f}. "
        f"Estimate: {pattern.minutes_per_week:.1f} minutes a week."
    )
    return told + (f" Left out, as it changes each time: {', '.join(left_out)}." if left_out else "")


def _calendar(pattern: Pattern) -> str:
    return str(pattern.details["calendar"])


def _minute(pattern: Pattern) -> int:
    return int(str(pattern.details["minute_of_day"]))
