"""What the routes of the events service may ask for, and what its API process opens."""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from services.events.domain.signals import Signals
from shared import errors
from shared.deps import ServiceDep
from shared.service import Service

MAX_EVENT = 1_048_576
MAX_BATCH = 8 * 1_048_576


@asynccontextmanager
async def lifespan(service: Service) -> AsyncIterator[None]:
    """Parts of an API process: signals between processes."""
    signals = Signals()
    service.attach(signals)
    service.start(signals.publish)
    service.start(signals.listen)
    yield


def get_signals(service: ServiceDep) -> Signals:
    """The process's wake-ups."""
    return service.part(Signals)


SignalsDep = Annotated[Signals, Depends(get_signals)]


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
