"""POST /events/upload: a file taken in as it streams, read by a worker afterwards."""

from typing import Annotated, Any

from fastapi import Query, Request
from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from services.events.deps import WakeDep
from services.events.domain import uploads
from services.events.domain.chunks import Chunks
from services.events.schemas.jobs import JobStarted
from shared import errors, webapp
from shared.deps import IdempotencyKey, ServiceDep, allow
from shared.identity import Principal

routes = webapp.router(tags=["events"])

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
_SUFFIXES = {".csv": uploads.CSV, ".ndjson": uploads.NDJSON, ".jsonl": uploads.NDJSON}
_MEDIA = {"text/csv": uploads.CSV, "application/x-ndjson": uploads.NDJSON, "application/jsonl": uploads.NDJSON}


@routes.post("/events/upload", status_code=202, openapi_extra=_FORM)
async def upload(
    *,
    request: Request,
    service: ServiceDep,
    wake: WakeDep,
    principal: Annotated[Principal, allow("events:write")],
    source: Annotated[str | None, Query(max_length=255, description="For records that have none")] = None,
    type: Annotated[str | None, Query(max_length=255, description="For records that have none")] = None,  # noqa: A002
    key: IdempotencyKey = None,
) -> JobStarted:
    """Stores a CSV or NDJSON file and has it read; ask GET /events/jobs/{job_id} how it goes."""
    chunks = Chunks(service.database, principal.organization_id)
    form = _Form(request)
    async for part in request.stream():
        await chunks.write(form.feed(part))
    await chunks.close()
    given = {"format": form.format(), "chunk_size": chunks.SIZE,
             "defaults": {name: value for name, value in (("source", source), ("type", type)) if value}}  # fmt: skip
    async with service.database.session(principal.organization_id) as session:
        job_id = await uploads.start(session, principal.organization_id, given, chunks, key)
    await wake()
    return JobStarted(job_id=job_id)


class _Form:
    """Finds the one file in a multipart body as it passes."""

    def __init__(self, request: Request) -> None:
        media, options = parse_options_header(request.headers.get("content-type", ""))
        if media != b"multipart/form-data" or b"boundary" not in options:
            raise errors.Unsupported("unsupported-media-type", "Send multipart/form-data with one file.")
        self._found: bytearray = bytearray()
        self._names: list[bytes] = []
        self._header: dict[bytes, bytes] = {}
        self._field = b""
        self._value = b""
        self._inside = False
        self._files = 0
        self._format: str | None = None
        callbacks: Any = {
            "on_part_begin": self._begin, "on_part_data": self._data, "on_headers_finished": self._on_headers,
            "on_header_field": self._on_field, "on_header_value": self._on_value, "on_header_end": self._on_header,
        }  # fmt: skip
        self._parser = MultipartParser(options[b"boundary"], callbacks)

    def feed(self, part: bytes) -> bytes:
        """What of a piece of the body belongs to the file."""
        self._found.clear()
        try:
            self._parser.write(part)
        except MultipartParseError as error:
            raise errors.BadRequest("malformed-multipart", str(error)) from None
        return bytes(self._found)

    def format(self) -> str:
        """The kind of the file that passed."""
        if self._format is None:
            raise errors.invalid_field("/file", "The form holds no file.")
        return self._format

    def _begin(self) -> None:
        self._header = {}
        self._inside = False

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._header[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._header.get(b"content-disposition", b""))
        name = options.get(b"filename")
        if name is None:
            return
        self._files += 1
        if self._files > 1:
            raise errors.invalid_field("/file", "The form holds more than one file.")
        media = self._header.get(b"content-type", b"").decode("latin-1").split(";")[0].strip().lower()
        suffix = "." + name.decode("utf-8", "replace").rsplit(".", 1)[-1].lower()
        self._format = _SUFFIXES.get(suffix) or _MEDIA.get(media)
        if self._format is None:
            raise errors.Unsupported("unsupported-media-type", "The file must be .csv, .ndjson or .jsonl.")
        self._inside = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._found += data[start:end]
