"""Suggestions: shown, applied, dismissed, bookmarked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.clients import workflows
from services.events.domain import connections, explanation, ranking, signals, verdicts
from services.events.domain import events as rendering
from services.events.domain.signals import Signals
from services.events.storage import events, suggestions
from services.events.storage import verdicts as stored_verdicts
from shared import clock, errors
from shared.service import Service

MOST_LOOKED_AT = 20
_TOLD = ("parameters", "conditions", "connections", "minutes")


async def get(service: Service, organization_id: UUID, suggestion_id: UUID) -> dict[str, Any]:
    """One suggestion; raises NotFound."""
    async with service.database.session(organization_id) as session:
        shown = render(await _find(session, organization_id, suggestion_id))
    return (await connections.name(service, organization_id, [shown]))[0]


@dataclass(frozen=True)
class Wanted:
    """Which suggestions: of a status or all, below a sort key, so many; `actor`'s likely next steps come first, judged
    with the habits of `peers` or without.
    """

    status: str | None
    below: Sequence[Any] | None
    limit: int
    actor: str | None = None
    peers: bool = False


async def page(service: Service, organization_id: UUID, wanted: Wanted) -> tuple[list[dict[str, Any]], str | None]:
    """Suggestions, best first, one more than the limit when more follow; and why there are none."""
    key = None if wanted.below is None else (float(wanted.below[0]), UUID(wanted.below[1]))
    likely: ranking.Chances = {}
    async with service.database.session(organization_id) as session:
        if wanted.actor is not None:
            likely = await ranking.chances(session, organization_id, wanted.actor, peers=wanted.peers)
        rows = await suggestions.page(
            session,
            organization_id,
            limit=wanted.limit + 1,
            status=wanted.status,
            below=key,
            factors=ranking.factors(likely),
        )
        reason = None if rows else await explanation.explain(session, organization_id)
    shown = [{**ranking.explain(render(row), str(wanted.actor), likely), "rank": row.rank} for row in rows]
    return await connections.name(service, organization_id, shown), reason


def sort_key(suggestion: dict[str, Any]) -> list[Any]:
    """What a cursor holds of the last suggestion shown."""
    return [suggestion["rank"], str(suggestion["id"])]


@dataclass(frozen=True)
class Applied:
    """The suggestion's workflow, the dry run that shows what it will do, what to connect [{step, connector, detail}],
    and whether this call made them."""

    workflow_id: UUID
    dry_run_id: UUID | None
    missing: list[dict[str, str]]
    first: bool


async def apply(service: Service, organization_id: UUID, suggestion_id: UUID, user_id: UUID | None) -> Applied:
    """Makes the suggestion's workflow, inactive, if it is not there yet; raises NotFound.

    The calls to siblings run with no transaction open; the suggestion as origin makes repeating them harmless.
    """
    async with service.database.session(organization_id) as session:
        found = await _find(session, organization_id, suggestion_id)
        example = await _example(session, found) if found.workflow_id is None else None
    (drafted,) = await connections.name(service, organization_id, [render(found)])
    workflow_id, dry_run_id = await workflows.create(
        service.siblings,
        organization_id,
        drafted["workflow"],
        suggestion_id=suggestion_id,
        user_id=user_id,
        event=example,
    )
    ids = {"workflow_id": workflow_id, "dry_run_id": dry_run_id}
    first = found.workflow_id is None and await _note(service, found, ids, user_id)
    return Applied(workflow_id, dry_run_id, connections.missing(drafted), first)


async def _note(service: Service, found: Row[Any], ids: dict[str, Any], user_id: UUID | None) -> bool:
    """Keeps what the suggestion became; whether nobody was faster."""
    async with service.database.session(found.organization_id) as session:
        now = clock.now()
        first = await suggestions.change(session, found.id, now, unless=("applied",), status="applied", **ids)
        if first:
            await stored_verdicts.add(session, found, verdicts.APPLIED, _subject(user_id), now)
    service.part(Signals).announce(signals.SUGGESTIONS, str(found.id))
    return first


async def _example(session: AsyncSession, found: Row[Any]) -> dict[str, Any] | None:
    """The first event that the suggestion cites and that is still there, as a trigger would bring it."""
    if found.workflow["trigger"]["type"] not in {"event", "absence"}:
        return None
    for event_id in found.evidence[:MOST_LOOKED_AT]:
        row = await events.find(session, found.organization_id, UUID(event_id))
        if row is not None:
            shown: dict[str, Any] = orjson.loads(orjson.dumps(rendering.render(row), default=str))
            return shown
    return None


async def mark(service: Service, organization_id: UUID, suggestion_id: UUID, status: str, user_id: UUID | None) -> None:
    """Dismisses or bookmarks; raises NotFound, or Conflict when it is applied."""
    async with service.database.session(organization_id) as session:
        found = await _find(session, organization_id, suggestion_id)
        now = clock.now()
        changed = await suggestions.change(session, suggestion_id, now, unless=("applied",), status=status)
        if not changed:
            raise errors.Conflict("suggestion-applied", "This suggestion has become a workflow.")
        if found.status != status:
            await stored_verdicts.add(session, found, status, _subject(user_id), now)
    service.part(Signals).announce(signals.SUGGESTIONS, str(suggestion_id))


def _subject(user_id: UUID | None) -> str | None:
    return None if user_id is None else f"user:{user_id}"


async def _find(session: AsyncSession, organization_id: UUID, suggestion_id: UUID) -> Row[Any]:
    row = await suggestions.find(session, organization_id, suggestion_id)
    if row is None:
        raise errors.NotFound
    return row


def render(row: Row[Any]) -> dict[str, Any]:
    """A suggestion as the API shows it."""
    shown = (
        "id", "pattern_id", "title", "reasoning", "confidence", "minutes_per_week", "workflow", "evidence", "backtest",
        "status", "workflow_id", "dry_run_id", "person", "created_at", "score",
    )  # fmt: skip
    told = {name: row.details.get(name, {} if name == "minutes" else []) for name in _TOLD}
    return {**{name: getattr(row, name) for name in shown}, **told}
