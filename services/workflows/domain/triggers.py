"""Triggers: what a workflow listens for, told to the events service whenever it changes; firings, each once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import causes, conditions, runs, schedules
from services.workflows.domain.definition import Definition, HookTrigger
from services.workflows.messages import TriggerChanged
from services.workflows.storage import awaited, tables, triggers
from shared import clock, ids, log, outbox

PAGE = 1_000
LISTENING = frozenset({"event", "absence", "hook"})
# An absence is fired by time, which no loop outruns: it begins a chain of its own.
CHAINED = frozenset({"event", "hook"})
# What makes a start depend on other runs of its workflow.
LIMITS = ("concurrency", "throttle", "debounce")
_TOO_DEEP = f"runs lead to each other at most {causes.DEEPEST} deep"
_log = log.get(__name__)


class Occasion(NamedTuple):
    """What a trigger fires for: a slot, the data that it brings, and the event, if it was one."""

    slot: str
    data: Any
    event: dict[str, Any] | None


async def sync(
    session: AsyncSession, *, organization_id: UUID, workflow_id: UUID, definition: Definition, active: bool
) -> None:
    """Store the trigger of a workflow's present version, and tell the events service what to match for it."""
    now = clock.now()
    before = await triggers.of_workflow(session, workflow_id)
    spec = definition.trigger.model_dump(mode="json", exclude_none=True)
    if isinstance(definition.trigger, HookTrigger):
        # Deliveries arrive as events whose subject names their hook.
        spec["match"] = {"subject": f"hook:{definition.trigger.hook}"}
    unchanged = before is not None and before.active and active and before.spec == spec
    stored = await triggers.upsert(
        session,
        {
            "id": ids.new(),
            "organization_id": organization_id,
            "workflow_id": workflow_id,
            "type": definition.trigger.type,
            "spec": spec,
            "active": active,
            "anchored_at": before.anchored_at if unchanged and before else now,
            "next_at": (before.next_at if unchanged and before else schedules.first(spec, now)) if active else None,
            "after_id": ids.new() if spec.get("after") else None,
        },
    )
    if not unchanged:
        await awaited.forget(session, stored.id)
    listens = definition.trigger.type in LISTENING
    told = [(stored.id, "match", active and listens)] if listens or (before and before.type in LISTENING) else []
    if stored.after_id is not None:
        told.append((stored.after_id, "after", active and bool(spec.get("after"))))
    for trigger_id, side, listening_now in told:
        message = TriggerChanged(
            trigger_id=trigger_id,
            organization_id=organization_id,
            workflow_id=workflow_id,
            revision=stored.revision,
            changed_at=now,
            active=listening_now,
            match=spec.get(side, {}),
        )
        await outbox.add(session, tables.outbox, message, to=("events",), key=str(trigger_id))


async def match(session: AsyncSession, matches: Sequence[tuple[UUID, UUID, dict[str, Any]]]) -> int:
    """Start a run for each (trigger, organisation, event) that still concerns an active workflow; answers how many."""
    known = await triggers.matched(session, list({trigger_id for trigger_id, _, _ in matches}))
    started = 0
    grouped: dict[UUID, list[tuple[dict[str, Any], bool]]] = defaultdict(list)
    for trigger_id, organization_id, event in matches:
        found = known.get(trigger_id)
        if found is None or found.organization_id != organization_id:
            continue
        side = "after" if trigger_id == found.after_id else "match"
        if _concerns(found.spec.get(side), event):
            grouped[found.id].append((event, side == "after"))
    for trigger_id in sorted(grouped):
        found = known[trigger_id]
        marked = sorted(grouped[trigger_id], key=lambda item: (str(item[0]["id"]), item[1]))
        if found.type == "absence":
            for event, begins in marked:
                await schedules.arm(session, found, event, begins=begins)
        elif found.type in CHAINED:
            started += await fire_all(session, found, {str(event["id"]): event for event, _ in marked})
    return started


async def fire_all(session: AsyncSession, trigger: Any, events: dict[str, dict[str, Any]]) -> int:
    """Start a run for each slot of a trigger that was not taken before; answers how many.

    Runs that no limit makes depend on each other are stored by two statements, however many they are.
    """
    if any(trigger.definition.get(limit) for limit in LIMITS):
        return sum([
            await fire(session, trigger, slot=slot, event=event, data=event.get("data"))
            for slot, event in events.items()
        ])  # fmt: skip
    now, made = clock.now(), {slot: ids.new() for slot in events}
    taken = await triggers.fire_all(session, trigger.id, made, organization_id=trigger.organization_id, at=now)
    definition = _definition(trigger) if taken else None
    if definition is None:
        return 0
    starts = [
        _start(trigger, definition, made[slot], Occasion(slot, events[slot].get("data"), events[slot]))
        for slot in taken
    ]
    for start in starts:
        if start.depth > causes.DEEPEST:
            await runs.refuse(session, start, "limit-exceeded", _TOO_DEEP)
    return await runs.start_free(session, [start for start in starts if start.depth <= causes.DEEPEST])


async def fire(
    session: AsyncSession, trigger: Any, *, slot: str, data: Any, event: dict[str, Any] | None = None
) -> bool:
    """Start one run for a slot of a trigger, unless the slot was taken before."""
    run_id = ids.new()
    now: datetime = clock.now()
    taken = await triggers.fire(
        session, trigger.id, slot, organization_id=trigger.organization_id, run_id=run_id, at=now
    )
    if not taken:
        return False
    definition = _definition(trigger)
    if definition is None:
        return False
    start = _start(trigger, definition, run_id, Occasion(slot, data, event))
    if start.depth > causes.DEEPEST:
        await runs.refuse(session, start, "limit-exceeded", _TOO_DEEP)
        return False
    return (await runs.start(session, start)).status != "skipped"


def _definition(trigger: Any) -> Definition | None:
    try:
        return Definition.model_validate(trigger.definition)
    except ValidationError as problem:  # of an older kind; the rest of a batch must not wait for it
        _log.error("trigger-not-fired", trigger=str(trigger.id), faults=problem.error_count())
        return None


def _start(trigger: Any, definition: Definition, run_id: UUID, what: Occasion) -> runs.Start:
    cause = causes.read(what.event) if what.event is not None and trigger.type in CHAINED else None
    return runs.Start(
        organization_id=trigger.organization_id,
        workflow_id=trigger.workflow_id,
        version=trigger.version,
        definition=definition,
        trigger={"type": trigger.type, "data": what.data},
        event=what.event,
        given=None,
        cause={"kind": trigger.type, "id": what.slot} | ({"run": cause.run_id} if cause else {}),
        run_id=run_id,
        depth=cause.depth + 1 if cause else 0,
    )


def _concerns(match: dict[str, Any] | None, event: dict[str, Any]) -> bool:
    """Check the match once more, with the CEL condition that only this service evaluates."""
    if match is None:
        return False
    for name in ("source", "type", "subject"):
        pattern = match.get(name)
        if pattern is not None and not fnmatchcase(str(event.get(name) or ""), pattern):
            return False
    if not match.get("where"):
        return True
    try:
        return conditions.compile_condition(match["where"], frozenset({"event"})).holds({"event": event})
    except (conditions.Unanswered, conditions.Refused):
        return False


async def listening(session: AsyncSession, after: UUID | None) -> list[Any]:
    """Triggers that listen to events, by id, a thousand at a time."""
    return await triggers.listening(session, after, PAGE)
