"""Capture filters, retention and erasure."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.deps import SettingsDep, WakeDep
from services.events.domain import audit, decisions, jobs
from services.events.schemas.jobs import JobStarted
from shared import keyed
from shared.deps import ServiceDep, Session, allow
from shared.identity import Principal

routes = keyed.router(tags=["events"])

Reader = Annotated[Principal, allow("events:read")]
Manager = Annotated[Principal, allow("events:manage")]
_Glob = Annotated[str, Field(min_length=1, max_length=255)]
_Path = Annotated[str, Field(pattern=r"^(actor|subject|data(\.[^.\x00]{1,100}){0,8})$")]


class Match(BaseModel):
    """Globs; a field that is absent matches all."""

    model_config = ConfigDict(extra="forbid")

    source: _Glob | None = None
    type: _Glob | None = None
    actor: _Glob | None = None
    subject: _Glob | None = None


class Rule(BaseModel):
    """What happens to matching events: dropped, or `fields` masked or hashed; `*` in a path stands for every name."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["drop", "mask", "hash"]
    match: Match = Match()
    fields: Annotated[list[_Path], Field(max_length=50)] = []


class Filters(BaseModel):
    """Rules, applied in order before anything is stored."""

    model_config = ConfigDict(extra="forbid")

    rules: Annotated[list[Rule], Field(max_length=100)]


class Retention(BaseModel):
    """How many days events are kept after they arrived."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[StrictInt, Field(ge=1, le=3_650)]


@routes.get("/events/filters")
async def get_filters(session: Session, principal: Reader) -> Filters:
    """The capture filters."""
    rules = await decisions.get_rules(session, principal.organization_id)
    return Filters.model_validate({"rules": rules})


@routes.put("/events/filters")
async def put_filters(session: Session, principal: Manager, body: Filters) -> Filters:
    """Replaces the capture filters; they hold for what arrives from now on."""
    rules = body.model_dump(exclude_none=True)["rules"]
    await decisions.put_rules(session, principal.organization_id, rules)
    await _note(session, principal, "filters.changed", rules=len(rules))
    return body


@routes.get("/events/retention")
async def get_retention(session: Session, principal: Reader, settings: SettingsDep) -> Retention:
    """How long events are kept."""
    return Retention(days=await decisions.get_days(session, principal.organization_id, settings.retention_days))


@routes.put("/events/retention")
async def put_retention(session: Session, principal: Manager, body: Retention) -> Retention:
    """Older events are deleted within the hour, with their counts."""
    await decisions.put_days(session, principal.organization_id, body.days)
    await _note(session, principal, "retention.changed", days=body.days)
    return body


@routes.delete("/events", status_code=202)
async def erase(
    service: ServiceDep,
    wake: WakeDep,
    principal: Manager,
    actor: Annotated[str, Query(min_length=1, max_length=255)],
) -> JobStarted:
    """Erases an actor's events with everything derived from them; what is left is mined anew."""
    async with service.database.session(principal.organization_id) as session:
        job_id = await jobs.start(session, principal.organization_id, "erasure", {"actor": actor})
        await _note(session, principal, "events.erased", job_id=str(job_id))
    await wake()
    return JobStarted(job_id=job_id)


async def _note(session: AsyncSession, principal: Principal, action: str, **details: Any) -> None:
    await audit.record(session, principal.organization_id, principal.subject, action, "events", **details)
