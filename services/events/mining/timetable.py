"""Habits as the clock sees them: when a schedule would fire, when a step is overdue, and how that is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.events.mining import notices, words
from services.events.mining.condition import EQUALS, Term, cel
from services.events.mining.pattern import Pattern
from services.events.mining.symbols import EXACT

_CRON = {"daily": "*", "weekdays": "1-5", "monday": "1", "tuesday": "2", "wednesday": "3", "thursday": "4",
         "friday": "5", "saturday": "6", "sunday": "0"}  # fmt: skip


def schedule(pattern: Pattern, zone: str) -> dict[str, str]:
    """The trigger that fires at the habit's usual minute by the actor's clock."""
    hour, minute = divmod(_minute(pattern), 60)
    return {"type": "schedule", "cron": f"{minute} {hour} * * {_CRON[_calendar(pattern)]}", "timezone": zone}


def deadline(pattern: Pattern) -> dict[str, Any] | None:
    """The trigger that fires when the habit's step is overdue: no later than its day comes round again and usual delays
    have passed. None for habits that pause, whose pauses would hide what is missing.
    """
    minutes = within(pattern)
    if minutes is None:
        return None
    step = pattern.steps[0]
    terms = [Term("event.actor", EQUALS, str(pattern.actors[0]))] if pattern.actors[0] is not None else []
    if step.level == EXACT and step.subject is not None:
        terms.append(Term("event.subject", EQUALS, step.subject))
    match: dict[str, Any] = {"source": step.source, "type": step.type, **({"where": cel(terms)} if terms else {})}
    return {"type": "absence", "match": match, "within": f"PT{minutes}M"}


def within(pattern: Pattern) -> int | None:
    """Minutes of silence after which the habit's step is overdue."""
    days = {"daily": 1, "weekdays": 0}.get(_calendar(pattern), 7)
    return days * 24 * 60 + 2 * int(str(pattern.details["plus_minus_minutes"])) if days else None


def when(pattern: Pattern) -> str:
    """Such as "on weekdays at 09:05"."""
    calendar = _calendar(pattern)
    days = {"daily": "every day", "weekdays": "on weekdays"}.get(calendar, f"every {calendar}")
    return f"{days} at {_minute(pattern) // 60:02}:{_minute(pattern) % 60:02}"


def alert(pattern: Pattern) -> dict[str, Any]:
    """A step that says what is missing; `trigger.data` is null, for nothing has happened."""
    step = pattern.steps[0]
    output = {"does": "tell what is missing", "source": step.source, "type": step.type, "text": overdue(pattern)}
    return {"id": notices.STEP, "type": "transform", "with": {"output": output}}


def overdue(pattern: Pattern) -> str:
    """Such as "Missing: backup ended in ops, usually done every day at 09:00"."""
    return f"Missing: {words.of(pattern.steps[0])}, usually done {when(pattern)}."


def explain(pattern: Pattern, what: str, left_out: Sequence[str]) -> str:
    """The reasoning of a habit's suggestion."""
    around = pattern.details["plus_minus_minutes"]
    chance = pattern.support / pattern.lift if pattern.lift else 0.0
    told = (
        f"{what}: done {when(pattern)}, give or take {around} minutes, on {pattern.support} of {pattern.trials} such "
        f"days with any activity; the shape of the day alone would give about {chance:.0f}. "
        f"Estimate: {words.minutes(pattern.minutes_per_week)} a week."
    )
    return told + (f" Left out, as it changes each time: {', '.join(left_out)}." if left_out else "")


def _calendar(pattern: Pattern) -> str:
    return str(pattern.details["calendar"])


def _minute(pattern: Pattern) -> int:
    return int(str(pattern.details["minute_of_day"]))
