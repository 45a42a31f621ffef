"""The quick way in for POST /events and /events/batch: plain JSON without Idempotency-Key, group-committed.

It stands inside the application's middleware, before FastAPI; whatever it does not take goes on to the routes of
`ingest`, which document it and answer the same. The flag `ingest-fast` switches it off.
"""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson

from services.events.domain import quick
from services.events.domain.ingest import Committer, receipt
from shared import asgi, deps, errors
from shared.flags import INGEST_FAST, Flags
from shared.identity import Principal
from shared.service import Service

SINGLE = "/api/v1/events"
BATCH = "/api/v1/events/batch"
_NDJSON = b"application/x-ndjson"
_MEDIA = {SINGLE: {b"application/json"}, BATCH: {b"application/json", _NDJSON}}
_ROUTES = {path: SimpleNamespace(path=path) for path in (SINGLE, BATCH)}
_NEVER = frozenset({b"idempotency-key", b"content-encoding", b"ce-specversion"})


class QuickIngest:
    """ASGI middleware, the innermost one."""

    def __init__(self, app: Any, *, owner: Any) -> None:
        self._app = app
        self._owner = owner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Takes the request, or passes it on untouched."""
        media = _media(scope)
        if media is None:
            await self._app(scope, receive, send)
            return
        service: Service = self._owner.state.service
        try:
            principal = await deps.identify(service, scope, asgi.bearer(scope))
            if not principal.may("events:write"):
                raise errors.Forbidden("forbidden", "This needs the permission events:write.")
            if not _may_pass(service, principal):
                await self._app(scope, receive, send)
                return
            body = await asgi.read(receive)
            if body is None:
                return
            store = _store_one if scope["path"] == SINGLE else _store_many
            status, answer = await store(service.part(Committer), principal.organization_id, body, media)
        except errors.FloyoError as error:
            await asgi.refuse(send, error)
            return
        if answer is None:
            await self._app(scope, asgi.replay(body, receive), send)
            return
        scope["route"] = _ROUTES[scope["path"]]
        await asgi.answer(send, status, orjson.dumps(answer))


def _may_pass(service: Service, principal: Principal) -> bool:
    flags = service.part(Flags)
    return flags.enabled(INGEST_FAST, organization_id=principal.organization_id, user_id=principal.user_id)


async def _store_one(committer: Committer, organization_id: UUID, body: bytes, _media: bytes) -> tuple[int, Any]:
    """Status and body of the answer, or a body of None when the twin must judge; nothing is stored then."""
    draft = quick.read(body, organization_id)
    if draft is None:
        return 0, None
    found = (await committer.group.enter([draft]))[0]
    if isinstance(found, errors.Invalid):
        return 0, None  # the strict reading says what is wrong
    if isinstance(found, errors.FloyoError):
        raise found
    return receipt(found)


async def _store_many(committer: Committer, organization_id: UUID, body: bytes, media: bytes) -> tuple[int, Any]:
    """As `_store_one`, for a batch."""
    batch = quick.read_many(body, lines=media == _NDJSON)
    return (0, None) if batch is None else (200, await committer.store(organization_id, batch))


def _media(scope: Any) -> bytes | None:
    """The media type of a request that can go the quick way."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in _MEDIA or scope["query_string"]:
        return None
    headers = dict(scope["headers"])
    found = asgi.media_type(headers.get(b"content-type", b""))
    return found if found in _MEDIA[scope["path"]] and _NEVER.isdisjoint(headers) else None
