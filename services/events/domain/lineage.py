"""An event's story: what led to it, and the patterns, suggestions, versions, runs and effects that came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.clients import workflows
from services.events.domain import subscriptions as matching
from services.events.storage import events, lineage, subscriptions
from shared import degraded, errors
from shared.service import Service

# A chain of runs that start each other ends at 16; nobody reads a story longer than that.
DEEPEST = 16
MOST_RUNS = 500


async def trace(service: Service, organization_id: UUID, event_id: UUID) -> dict[str, Any]:
    """{event_id, cause, patterns, suggestions, triggers, runs, complete}; raises NotFound.

    cause: the run that the event is an effect of. runs: those that the event started and the latest of the workflows
    that its suggestions became, with what these led to and, for an effect, the runs before it. complete: whether
    the workflows service could be asked and the story ended within its bounds.
    """
    async with service.database.session(organization_id) as session:
        row = await events.find(session, organization_id, event_id)
        if row is None:
            raise errors.NotFound
        story = await _derived(session, organization_id, row)
    tale = _Tale(service, organization_id)
    cause = _run_of(row.extensions)
    try:
        complete = await tale.follow(
            events=[event_id],
            runs=[] if cause is None else [cause],
            workflows=[item["workflow_id"] for item in story["suggestions"] if item["workflow_id"]],
        )
    except errors.Unavailable:
        complete = False
        degraded.note("workflows")
    return {**story, "cause": cause, "runs": list(tale.runs.values()), "complete": complete}


async def _derived(session: AsyncSession, organization_id: UUID, row: Any) -> dict[str, Any]:
    patterns, suggestions = await lineage.derived(session, organization_id, row.id)
    active = await subscriptions.active_of(session, [organization_id])
    return {
        "event_id": row.id,
        "patterns": [{"id": item.id, "kind": item.kind} for item in patterns],
        "suggestions": [
            {"id": item.id, "title": item.title, "status": item.status, "workflow_id": item.workflow_id}
            for item in suggestions
        ],
        "triggers": [
            {"trigger_id": item.trigger_id, "workflow_id": item.workflow_id}
            for item in active
            if matching.wants(item, row)
        ],
    }


@dataclass
class _Tale:
    """Runs as the API shows them, by id, gathered generation by generation."""

    service: Service
    organization_id: UUID
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def follow(self, **begin: list[Any]) -> bool:
        """Asks until nothing new is told; whether the story was told to its end."""
        for _ in range(DEEPEST):
            told = await workflows.trace(self.service.siblings, self.organization_id, **begin)
            fresh = [run for run in told if run["id"] not in self.runs]
            if not fresh:
                return True
            begin = await self._take(fresh)
            if len(self.runs) > MOST_RUNS:
                return False
            if not any(begin.values()):
                return True
        return False

    async def _take(self, told: list[dict[str, Any]]) -> dict[str, list[Any]]:
        """Keeps the runs, and answers where to go on: events emitted, runs that led here, steps that started runs."""
        effects = [effect for run in told for effect in run["effects"]]
        keys = [(effect["source"], effect["key"]) for effect in effects if effect["source"]]
        async with self.service.database.session(self.organization_id) as session:
            known = await lineage.recorded(session, self.organization_id, keys) if keys else {}
        for run in told:
            self.runs[run["id"]] = _show(run, known)
        before = [str(run["cause"]["run"]) for run in told if (run["cause"] or {}).get("run")]
        return {
            "events": list(known.values()),
            "runs": [run_id for run_id in before if run_id not in self.runs],
            "keys": [effect["key"] for effect in effects if effect["type"] == "workflow"],
        }


def _show(run: dict[str, Any], known: Mapping[tuple[str, str], UUID]) -> dict[str, Any]:
    kind, _, origin = (run["origin"] or "").partition(":")
    shown = ("id", "workflow_id", "version", "status", "dry_run", "cause", "created_at", "finished_at")
    return {
        **{name: run[name] for name in shown},
        "suggestion_id": origin if kind == "suggestion" else None,
        "effects": [
            {"step": effect["step"], "type": effect["type"], "event_id": known.get((effect["source"], effect["key"]))}
            for effect in run["effects"]
        ],
    }


def _run_of(extensions: Any) -> str | None:
    """The run that an event names as its cause, if it names a sound one."""
    try:
        return str(UUID(str((extensions or {}).get("floyorun"))))
    except ValueError:
        return None
