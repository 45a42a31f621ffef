"""Events from siblings: what workflows emit and what hooks deliver."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.events.deps import SignalsDep
from services.events.domain import batches, drafts, ingest
from services.events.schemas.events import BatchReceipt
from shared import webapp
from shared.deps import ServiceDep, called_by
from shared.servicetokens import Caller

routes: APIRouter = webapp.internal_router()


class SiblingEvents(BaseModel):
    """Events of one organisation, each as `POST /events` takes it."""

    model_config = ConfigDict(extra="forbid")

    organization_id: UUID
    events: Annotated[list[Any], Field(max_length=batches.MAX_ITEMS)]


@routes.post("/events")
async def post_events(
    body: SiblingEvents,
    service: ServiceDep,
    signals: SignalsDep,
    _caller: Annotated[Caller, called_by("workflows", "integrations")],
) -> BatchReceipt:
    """Appends like a batch; the good ones are kept when one is bad."""
    items = [orjson.dumps(item) for item in body.events]
    request = ingest.Request(body.organization_id)
    read = partial(_read, organization_id=body.organization_id)
    answer = await ingest.post_batch(service.database, signals, request, items, read)
    return BatchReceipt.model_validate(answer.body)


def _read(item: bytes, organization_id: UUID) -> drafts.Draft:
    return drafts.read(orjson.loads(item), organization_id)
