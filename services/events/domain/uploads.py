"""The job `upload`: a stored file, read record by record, a thousand a transaction."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import drafts, filters, ingest, signals
from services.events.domain.batches import Outcome
from services.events.domain.chunks import Chunks
from services.events.domain.drafts import Draft
from services.events.domain.jobs import Work
from services.events.domain.signals import Signals
from services.events.storage import jobs
from services.events.storage.tables import idempotency_key
from shared import errors, idempotency, strictjson

CSV = "csv"
NDJSON = "ndjson"
RECORDS = 1_000
MAX_RECORD = 1_048_576
_OWN = ("source", "type", "id", "actor", "subject", "time")


@dataclass(slots=True)
class Place:
    """Where reading stands: the next record begins at `offset` of `chunk`; `index` counts records."""

    chunk: int = 0
    offset: int = 0
    index: int = 0
    header: list[str] | None = None

    def stored(self) -> dict[str, Any]:
        """For the job's row."""
        return {"chunk": self.chunk, "offset": self.offset, "index": self.index, "header": self.header}


async def start(
    session: AsyncSession, organization_id: UUID, given: dict[str, Any], chunks: Chunks, key: str | None
) -> UUID:
    """Has a stored file read; the same file under the same key again is the first one's job."""

    async def produce() -> tuple[int, Any]:
        await jobs.insert(session, organization_id, "upload", given, chunks.job_id)
        return 202, {"job_id": str(chunks.job_id)}

    answer = await idempotency.run(
        session,
        idempotency_key,
        organization_id=organization_id,
        route="POST /events/upload",
        key=key,
        request=[given, chunks.digest.hexdigest()],
        produce=produce,
    )
    return UUID(answer.body["job_id"])


async def run(work: Work) -> None:
    """Goes on from where the last attempt stood; events and place are one commit."""
    place = Place(**work.job.progress) if work.job.progress else Place()
    totals = Outcome(accepted=work.job.accepted, duplicates=work.job.duplicates)
    rejected = work.job.rejected
    while True:
        buffer, final = await _load(work, place)
        records, read = _cut(buffer, csv_rules=work.job.input["format"] == CSV, final=final)
        if not records:
            break
        async with work.service.database.system() as session:
            first = _take_header(work, place, records)
            outcome = Outcome()
            reader = partial(_read, work, place.header)
            await ingest.append_items(
                session, work.organization_id, records, reader, outcome,
                hashing=filters.key_of(work.service), first=first, job_id=work.job.id,
            )  # fmt: skip
            place.index = first + len(records)
            _advance(work, place, read)
            outcome.note()
            totals.accepted += outcome.accepted
            totals.duplicates += outcome.duplicates
            rejected += len(outcome.rejected)
            await jobs.drop_chunks(session, work.job.id, below=place.chunk)
            await work.record(
                session, progress=place.stored(), accepted=totals.accepted, duplicates=totals.duplicates,
                rejected=rejected,
            )  # fmt: skip
        work.service.part(Signals).announce(signals.EVENTS, "")
    async with work.service.database.system() as session:
        await jobs.drop_chunks(session, work.job.id)


async def _load(work: Work, place: Place) -> tuple[bytes, bool]:
    """What follows the place: enough for one record at least, and whether it is all."""
    buffer = b""
    number = place.chunk
    while True:
        async with work.service.database.system() as session:
            chunk = await jobs.chunk(session, work.job.id, number)
        if chunk is None:
            return buffer, True
        buffer += chunk[place.offset :] if number == place.chunk else chunk
        number += 1
        if len(buffer) > 2 * MAX_RECORD:
            return buffer, False


def _advance(work: Work, place: Place, read: int) -> None:
    """Moves the place by a number of bytes, over the ends of chunks."""
    place.offset += read
    size: int = work.job.input["chunk_size"]
    place.chunk, place.offset = place.chunk + place.offset // size, place.offset % size


def _cut(buffer: bytes, *, csv_rules: bool, final: bool) -> tuple[list[bytes], int]:
    """Up to a thousand whole records and how many bytes they took; quoted line ends belong to a CSV record."""
    records: list[bytes] = []
    read = 0
    for end in _ends(buffer, csv_rules=csv_rules, final=final):
        records.append(buffer[read:end])
        read = end
        if len(records) == RECORDS:
            break
    return records, read


def _ends(buffer: bytes, *, csv_rules: bool, final: bool) -> Iterator[int]:
    begin = place = 0
    quotes = 0
    while place < len(buffer):
        line_end = buffer.find(b"\n", place)
        if line_end < 0 and not final and len(buffer) - begin <= MAX_RECORD:
            return
        end = len(buffer) if line_end < 0 else line_end + 1
        quotes += buffer.count(b'"', place, end) if csv_rules else 0
        place = end
        if quotes % 2 == 0 or place - begin > MAX_RECORD or (final and place == len(buffer)):
            yield place
            begin, quotes = place, 0


def _take_header(work: Work, place: Place, records: list[bytes]) -> int:
    """Keeps a CSV file's first record as its header; the index of the first record left."""
    if work.job.input["format"] == CSV and place.header is None:
        place.header = [name.strip() for name in _fields(records.pop(0).removeprefix(b"\xef\xbb\xbf"))]
    return place.index


def _read(work: Work, header: list[str] | None, record: bytes) -> Draft:
    """One record as an event; fields that it lacks come from the upload's own `source` and `type`."""
    organization_id: UUID = work.organization_id
    defaults: dict[str, str] = work.job.input["defaults"]
    if len(record) > MAX_RECORD:
        raise errors.TooLarge("content-too-large", f"A record holds more than {MAX_RECORD} bytes.")
    if header is None:
        value = strictjson.parse(record)
        return drafts.read({**defaults, **value} if isinstance(value, dict) else value, organization_id)
    return drafts.read({**defaults, **_event_of(header, _fields(record))}, organization_id)


def _fields(record: bytes) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(record.decode("utf-8"), newline=""), strict=True))
    except UnicodeDecodeError:
        raise errors.Invalid("malformed-csv", "The record is not UTF-8.") from None
    except csv.Error as error:
        raise errors.Invalid("malformed-csv", f"The record is no CSV: {error}.") from None
    return rows[0] if rows else []


def _event_of(header: list[str], fields: list[str]) -> dict[str, Any]:
    if len(fields) != len(header):
        raise errors.Invalid("malformed-csv", f"The record has {len(fields)} fields, the header {len(header)}.")
    named = {name: field for name, field in zip(header, fields, strict=True) if field != ""}
    if any("\x00" in field for field in fields):
        raise errors.Invalid("invalid", "U+0000 cannot be stored.")
    event: dict[str, Any] = {name: named.pop(name) for name in _OWN if name in named}
    if set(named) == {"data"}:
        event["data"] = strictjson.parse(b'{"data":' + named["data"].encode() + b"}")["data"]
    elif named:
        event["data"] = named
    return event
