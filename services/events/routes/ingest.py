"""POST /events and /events/batch: JSON, NDJSON and CloudEvents."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import JSONResponse

from services.events.deps import BatchBody, EventBody, SignalsDep, media_type
from services.events.domain import batches, cloudevents, drafts, filters, ingest
from services.events.domain.drafts import Draft
from services.events.schemas.events import BatchReceipt, EventIn, Receipt
from shared import errors, strictjson, webapp
from shared.deps import IdempotencyKey, ServiceDep, allow
from shared.identity import Principal

routes = webapp.router(tags=["events"])

_JSON = "application/json"
_NDJSON = "application/x-ndjson"
_ANY = {"schema": {"type": "object", "description": "A CloudEvent"}}
_EVENT = EventIn.model_json_schema()
_SINGLE_BODY = {"requestBody": {"required": True, "content": {_JSON: {"schema": _EVENT}, cloudevents.STRUCTURED: _ANY}}}
_BATCH_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            _JSON: {"schema": {"type": "array", "items": _EVENT, "maxItems": batches.MAX_ITEMS}},
            _NDJSON: {"schema": {"type": "string"}},
            cloudevents.BATCH: {"schema": {"type": "array", "items": {"type": "object"}}},
        },
    }
}


@routes.post("/events", status_code=201, response_model=Receipt, responses={200: {"model": Receipt}},
             openapi_extra=_SINGLE_BODY)  # fmt: skip
async def post_event(
    *,
    request: Request,
    service: ServiceDep,
    signals: SignalsDep,
    principal: Annotated[Principal, allow("events:write")],
    body: EventBody,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Stores one event; the same (source, id) again answers 200 with the first one's id and position."""
    draft = read_single(request, body, principal.organization_id)
    whose = ingest.Request(principal.organization_id, filters.key_of(service), key)
    answer = await ingest.post(service.database, signals, whose, draft)
    return JSONResponse(answer.body, status_code=answer.status)


@routes.post("/events/batch", response_model=BatchReceipt, openapi_extra=_BATCH_BODY)
async def post_batch(
    *,
    request: Request,
    service: ServiceDep,
    signals: SignalsDep,
    principal: Annotated[Principal, allow("events:write")],
    body: BatchBody,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Stores the good ones of at most 5,000 events, and says for each of the others why not."""
    items, read = read_batch(request, body)
    answer = await ingest.post_batch(
        service.database,
        signals,
        ingest.Request(principal.organization_id, filters.key_of(service), key),
        items,
        partial(read, organization_id=principal.organization_id),
    )
    return JSONResponse(answer.body, status_code=answer.status)


def read_single(request: Request, body: bytes, organization_id: UUID) -> Draft:
    """One event, in whichever form it came."""
    if "ce-specversion" in request.headers:
        return cloudevents.read_binary(request.headers, body, organization_id)
    media = media_type(request)
    if media == cloudevents.STRUCTURED:
        return read_cloudevent(body, organization_id)
    if media == _JSON:
        return read_event(body, organization_id)
    raise errors.Unsupported("unsupported-media-type", f"Send {_JSON} or a CloudEvent.")


def read_batch(request: Request, body: bytes) -> tuple[list[bytes], Callable[..., Draft]]:
    """The items of a batch, and how to read each."""
    media = media_type(request)
    if media == _NDJSON:
        return batches.split_lines(body), read_event
    if media == _JSON:
        return batches.split_array(body), read_event
    if media == cloudevents.BATCH:
        return batches.split_array(body), read_cloudevent
    raise errors.Unsupported("unsupported-media-type", f"Send {_JSON}, {_NDJSON} or {cloudevents.BATCH}.")


def read_event(item: bytes, organization_id: UUID) -> Draft:
    """A draft from the bytes of a JSON event."""
    return drafts.read(strictjson.parse(item), organization_id)


def read_cloudevent(item: bytes, organization_id: UUID) -> Draft:
    """A draft from the bytes of a structured CloudEvent."""
    value: Any = strictjson.parse(item)
    return cloudevents.read_structured(value, organization_id)
