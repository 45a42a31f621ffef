"""What the routes of the events service may ask for, and what its API process opens."""

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request

from services.events.domain import filters, ingest
from services.events.domain.ingest import Committer
from services.events.domain.live import Hub
from services.events.domain.signals import Signals
from services.events.settings import Settings
from shared import errors, jobs
from shared.deps import CurrentPrincipal, CursorParameter, Limit, ServiceDep
from shared.pagination import cut
from shared.service import Service

MAX_EVENT = 1_048_576
MAX_BATCH = 8 * 1_048_576
MAX_UPLOAD = 1_073_741_824
BODY_LIMITS = {"/api/v1/events/batch": MAX_BATCH, "/api/v1/events/upload": MAX_UPLOAD}


@asynccontextmanager
async def lifespan(service: Service) -> AsyncIterator[None]:
    """Parts of an API process: signals between processes, live sockets."""
    if not isinstance(service.settings, Settings):
        raise TypeError("the events service needs its own settings")
    signals = Signals()
    service.attach(signals)
    service.attach(ingest.KEYS)
    hub = Hub(service.settings.live_connections, service.settings.live_connections_per_organization)
    service.attach(hub)
    hub.open(service)
    committer = Committer(service.database, signals, service.settings.ingest_queue, filters.key_of(service))
    service.attach(committer)
    service.start(committer.commit_events)
    service.start(signals.publish)
    service.start(signals.listen)
    yield


async def get_signals(service: ServiceDep) -> Signals:
    """The process's wake-ups."""
    return service.part(Signals)


SignalsDep = Annotated[Signals, Depends(get_signals)]


async def get_settings(service: ServiceDep) -> Settings:
    """The service's own settings."""
    if not isinstance(service.settings, Settings):
        raise TypeError("the events service needs its own settings")
    return service.settings


SettingsDep = Annotated[Settings, Depends(get_settings)]


def media_type(request: Request) -> str:
    """The body's media type without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


async def read_event_body(request: Request) -> bytes:
    """The body of one event, decompressed."""
    return decompress(await request.body(), request.headers.get("content-encoding"), MAX_EVENT)


async def read_batch_body(request: Request) -> bytes:
    """The body of a batch, decompressed."""
    return decompress(await request.body(), request.headers.get("content-encoding"), MAX_BATCH)


def decompress(body: bytes, encoding: str | None, limit: int) -> bytes:
    """The plain bytes; raises TooLarge beyond the limit, Unsupported for encodings but gzip."""
    if len(body) > limit:
        raise errors.TooLarge("content-too-large", f"The body holds more than {limit} bytes.")
    if encoding is None or encoding.strip().lower() in {"", "identity"}:
        return body
    if encoding.strip().lower() != "gzip":
        raise errors.Unsupported("unsupported-encoding", "Content-Encoding may be gzip or absent.")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise errors.BadRequest("malformed-gzip", "The body is no gzip stream.") from None
    if len(plain) > limit:
        raise errors.TooLarge("content-too-large", f"The body unpacks to more than {limit} bytes.")
    if not inflater.eof or inflater.unused_data:
        raise errors.BadRequest("malformed-gzip", "The gzip stream is cut off, or something follows it.")
    return plain


EventBody = Annotated[bytes, Depends(read_event_body)]
BatchBody = Annotated[bytes, Depends(read_batch_body)]


class Pages:
    """The parameters `limit` and `cursor` of a list, and the page they ask for."""

    def __init__(
        self, service: ServiceDep, principal: CurrentPrincipal, limit: Limit = 50, cursor: CursorParameter = None
    ) -> None:
        self._service = service
        self._organization_id = principal.organization_id
        self.limit = limit
        self._cursor = cursor

    def below(self, scope: str) -> list[Any] | None:
        """The sort key to go on from; raises BadRequest for a cursor of another list."""
        if self._cursor is None:
            return None
        return self._service.cursors.decode(self._cursor, organization_id=self._organization_id, scope=scope)

    def cut(
        self, found: list[dict[str, Any]], scope: str, sort_key: Callable[[dict[str, Any]], list[Any]]
    ) -> dict[str, Any]:
        """The page of `limit + 1` items."""
        items, last = cut(found, self.limit)
        if last is None:
            return {"items": items, "next_cursor": None}
        cursor = self._service.cursors.encode(sort_key(last), organization_id=self._organization_id, scope=scope)
        return {"items": items, "next_cursor": cursor}


PagesDep = Annotated[Pages, Depends(Pages)]


async def get_wake(service: ServiceDep) -> Callable[[], Awaitable[None]]:
    """Tells a worker that a job is due; to be called after the commit."""

    async def wake() -> None:
        await jobs.wake(service.redis, service.name, "advance_due")

    return wake


WakeDep = Annotated[Callable[[], Awaitable[None]], Depends(get_wake)]
