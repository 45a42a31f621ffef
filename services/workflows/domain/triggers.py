"""Triggers: what a workflow listens for, told to the events service whenever it changes; firings, each once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import causes, conditions, runs, schedules
from services.workflows.domain.definition import Definition, HookTrigger
from services.workflows.messages import TriggerChanged
from services.workflows.storage import tables, triggers
from shared import clock, ids, log, outbox

PAGE = 1_000
LISTENING = frozenset({"event", "absence", "hook"})
# An absence is fired by time, which no loop outruns: it begins a chain of its own.
CHAINED = frozenset({"event", "hook"})
_log = log.get(__name__)


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
        },
    )
    if definition.trigger.type in LISTENING or (before is not None and before.type in LISTENING):
        message = TriggerChanged(
            trigger_id=stored.id,
            organization_id=organization_id,
            workflow_id=workflow_id,
            revision=stored.revision,
            changed_at=now,
            active=active and definition.trigger.type in LISTENING,
            match=spec.get("match", {}),
        )
        await outbox.add(session, tables.outbox, message, to=("events",), key=str(stored.id))


async def match(session: AsyncSession, matches: Sequence[tuple[UUID, UUID, dict[str, Any]]]) -> int:
    """Start a run for each (trigger, organisation, event) that still concerns an active workflow; answers how many."""
    known = await triggers.matched(session, list({trigger_id for trigger_id, _, _ in matches}))
    started = 0
    grouped: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for trigger_id, organization_id, event in matches:
        found = known.get(trigger_id)
        if found is not None and found.organization_id == organization_id and _concerns(found, event):
            grouped[trigger_id].append(event)
    for trigger_id in sorted(grouped):
        found = known[trigger_id]
        for event in sorted(grouped[trigger_id], key=lambda item: str(item["id"])):
            if found.type == "absence":
                await schedules.arm(session, found, event)
            elif found.type in {"event", "hook"}:
                started += await fire(session, found, slot=str(event["id"]), event=event, data=event.get("data"))
    return started


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
    try:
        definition = Definition.model_validate(trigger.definition)
    except ValidationError as problem:  # of an older kind; the rest of a batch must not wait for it
        _log.error("trigger-not-fired", trigger=str(trigger.id), faults=problem.error_count())
        return False
    cause = causes.read(event) if event is not None and trigger.type in CHAINED else None
    start = runs.Start(
        organization_id=trigger.organization_id,
        workflow_id=trigger.workflow_id,
        version=trigger.version,
        definition=definition,
        trigger={"type": trigger.type, "data": data},
        event=event,
        given=None,
        cause={"kind": trigger.type, "id": slot} | ({"run": cause.run_id} if cause else {}),
        run_id=run_id,
        depth=cause.depth + 1 if cause else 0,
    )
    if start.depth > causes.DEEPEST:
        await runs.refuse(session, start, "limit-exceeded", f"runs lead to each other at most {causes.DEEPEST} deep")
        return False
    return (await runs.start(session, start)).status != "skipped"


def _concerns(trigger: Any, event: dict[str, Any]) -> bool:
    """Check the match once more, with the CEL condition that only this service evaluates."""
    match = trigger.spec.get("match") or {}
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
