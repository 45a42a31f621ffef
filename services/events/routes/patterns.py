"""Patterns, and asking for new ones."""

from typing import Annotated, Literal
from uuid import UUID

import orjson
from fastapi import Query, Response

from services.events.deps import PagesDep, WakeDep
from services.events.domain import jobs, patterns, preferences, transitions
from services.events.schemas.jobs import JobStarted
from services.events.schemas.patterns import Graph, Kind, MiningSettings, NextActions, PatternOut
from shared import keyed
from shared.deps import ServiceDep, Session, allow
from shared.flags import PEER_HABITS, Flags
from shared.identity import Principal
from shared.pagination import Page

routes = keyed.router(tags=["patterns"])

MOST = 1_000
_CONTENT = {"application/json": {"schema": {"type": "array"}}, "text/csv": {"schema": {"type": "string"}}}

Reader = Annotated[Principal, allow("patterns:read")]


@routes.post("/patterns/mine", status_code=202)
async def mine(
    service: ServiceDep, wake: WakeDep, principal: Annotated[Principal, allow("patterns:write")]
) -> JobStarted:
    """Mines the organisation's events; patterns and suggestions are there when the job has succeeded."""
    async with service.database.session(principal.organization_id) as session:
        job_id = await jobs.start(session, principal.organization_id, "mining", {}, shared=True)
    await wake()
    return JobStarted(job_id=job_id)


@routes.get("/patterns")
async def list_patterns(
    session: Session, principal: Reader, pages: PagesDep, kind: Kind | None = None
) -> Page[PatternOut]:
    """Patterns, those that cost most time first."""
    scope = f"patterns:{kind}"
    found = await patterns.page(session, principal.organization_id, kind, pages.below(scope), pages.limit)
    return Page[PatternOut].model_validate(pages.cut(found, scope, patterns.sort_key))


@routes.get("/patterns/graph")
async def get_graph(session: Session, principal: Reader) -> Graph:
    """What follows what: the directly-follows graph of the latest events."""
    return Graph.model_validate(await transitions.graph(session, principal.organization_id))


@routes.get("/patterns/next")
async def get_next(
    service: ServiceDep,
    session: Session,
    principal: Reader,
    actor: Annotated[str, Query(min_length=1, max_length=255)],
    limit: Annotated[int, Query(ge=1, le=50)] = 5,
) -> NextActions:
    """What the actor is likely to do next."""
    organization_id = principal.organization_id
    peers = service.part(Flags).enabled(PEER_HABITS, organization_id=organization_id, user_id=principal.user_id)
    items = await transitions.likely(session, organization_id, actor, limit, peers=peers)
    return NextActions.model_validate({"items": items})


@routes.get("/patterns/settings")
async def get_settings(session: Session, principal: Reader) -> MiningSettings:
    """How events are mined."""
    return MiningSettings.model_validate(await preferences.read(session, principal.organization_id))


@routes.put("/patterns/settings")
async def put_settings(
    session: Session, principal: Annotated[Principal, allow("patterns:write")], body: MiningSettings
) -> MiningSettings:
    """Changes it from the next mining on."""
    await preferences.write(session, principal.organization_id, body.model_dump())
    return body


@routes.get("/patterns/export", response_class=Response, responses={200: {"content": _CONTENT}})
async def export_patterns(
    session: Session,
    principal: Reader,
    format: Literal["json", "csv"] = "json",  # noqa: A002  # the name of the parameter
) -> Response:
    """Every pattern in force, as JSON or CSV."""
    found = await patterns.page(session, principal.organization_id, None, None, MOST)
    items = [PatternOut.model_validate(item).model_dump(mode="json") for item in found]
    body, media = (patterns.table(items), "text/csv") if format == "csv" else (orjson.dumps(items), "application/json")
    headers = {"Content-Disposition": f'attachment; filename="patterns.{format}"'}
    return Response(body, media_type=media, headers=headers)


@routes.get("/patterns/{pattern_id}")
async def get_pattern(session: Session, principal: Reader, pattern_id: UUID) -> PatternOut:
    """One pattern."""
    return PatternOut.model_validate(await patterns.get(session, principal.organization_id, pattern_id))
