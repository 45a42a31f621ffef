"""Events from siblings: what workflows emit and what hooks deliver."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.events.deps import SignalsDep
from services.events.domain import batches, drafts, filters, ingest
from services.events.schemas.events import BatchReceipt
from shared import webapp
from shared.deps import ServiceDep, called_by
from shared.servicetokens import Caller

routes: APIRouter = webapp.internal_router()


class Cause(BaseModel):
    """The run that the events come from, and how many runs led to it, each by an event of the one before."""

    model_config = ConfigDict(extra="forbid")

    run_id: UUID
    depth: Annotated[int, Field(ge=0, le=1_000)]


class SiblingEvents(BaseModel):
    """Events of one organisation, each as `POST /events` takes it; `cause` is kept among their extensions."""

    model_config = ConfigDict(extra="forbid")

    organization_id: UUID
    events: Annotated[list[Any], Field(max_length=batches.MAX_ITEMS)]
    cause: Cause | None = None


@routes.post("/events")
async def post_events(
    body: SiblingEvents,
    service: ServiceDep,
    signals: SignalsDep,
    _caller: Annotated[Caller, called_by("workflows", "integrations")],
) -> BatchReceipt:
    """Appends like a batch; the good ones are kept when one is bad."""
    items = [orjson.dumps(item) for item in body.events]
    request = ingest.Request(body.organization_id, filters.key_of(service))
    read = partial(_read, organization_id=body.organization_id, extensions=_extensions(body.cause))
    answer = await ingest.post_batch(service.database, signals, request, items, read)
    return BatchReceipt.model_validate(answer.body)


def _extensions(cause: Cause | None) -> str | None:
    return None if cause is None else drafts.encode({"floyorun": str(cause.run_id), "floyodepth": cause.depth})


def _read(item: bytes, organization_id: UUID, extensions: str | None) -> drafts.Draft:
    return replace(drafts.read(orjson.loads(item), organization_id), extensions=extensions)
