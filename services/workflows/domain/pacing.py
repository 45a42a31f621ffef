"""How starts are spread over time: throttled to so many in a while, or put off until nothing more comes.

Both are judged when a start is asked for, one start of a key at a time. A start that is put off is a queued run, so
nothing is lost with a process, and people see it and can cancel it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import conditions
from services.workflows.domain.definition import Debounce, Throttle
from services.workflows.domain.names import ROOTS
from services.workflows.storage import limits, pacing
from shared import clock

KEEP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """What limits make of a start: left out, taken up by a run that waits already, or stored, due in `seconds`."""

    skipped: bool = False
    run_id: UUID | None = None
    seconds: float = 0.0
    columns: Mapping[str, Any] = field(default_factory=dict)


def key_of(source: str | None, names: Mapping[str, Any]) -> str:
    """The text that starts are counted by; those whose key has no answer share the empty one."""
    if source is None:
        return ""
    try:
        return str(conditions.compile_condition(source, ROOTS - {"steps"}).value(names))[:200]
    except (conditions.Unanswered, conditions.Refused):
        return ""


async def throttle(session: AsyncSession, rule: Throttle, row: Mapping[str, Any], names: Mapping[str, Any]) -> Pace:
    """When a start may begin; `skipped` when it is left out."""
    place = f"throttle:{key_of(rule.key, names)}"
    await limits.lock(session, row["workflow_id"], place)
    now = clock.now()
    found = await pacing.get(session, row["workflow_id"], place)
    begun: list[datetime] = list(found.starts)[-rule.limit :] if found else []
    moment = max(now, begun[0] + rule.per) if len(begun) >= rule.limit else now
    if moment > now and rule.on_limit == "skip":
        return Pace(skipped=True)
    await _keep(session, row, place, starts=[*begun, moment][-rule.limit :], until=moment + rule.per)
    return Pace(seconds=(moment - now).total_seconds())


async def debounce(session: AsyncSession, rule: Debounce, row: Mapping[str, Any], names: Mapping[str, Any]) -> Pace:
    """How long a start waits for others; `run_id` names a run that waits already and starts from this one now."""
    place = f"debounce:{key_of(rule.key, names)}"
    await limits.lock(session, row["workflow_id"], place)
    now = clock.now()
    until = now + rule.quiet + KEEP
    found = await pacing.get(session, row["workflow_id"], place)
    if found is not None:
        quiet = rule.quiet if rule.at_most is None else min(rule.quiet, found.starts[0] + rule.at_most - now)
        seconds = max(0.0, quiet.total_seconds())
        if await pacing.renew(session, row["organization_id"], found.run_id, dict(row), seconds):
            await _keep(session, row, place, starts=list(found.starts), run_id=found.run_id, until=until)
            return Pace(run_id=found.run_id)
    await _keep(session, row, place, starts=[now], run_id=row["id"], until=until)
    return Pace(seconds=rule.quiet.total_seconds())


async def _keep(session: AsyncSession, row: Mapping[str, Any], key: str, **remembered: Any) -> None:
    values = {"workflow_id": row["workflow_id"], "organization_id": row["organization_id"], "key": key}
    await pacing.keep(session, {**values, "run_id": None, **remembered})
