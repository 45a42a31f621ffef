"""Chunks of history: rows as the miner needs them, packed small."""

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from services.events.mining import subjects

# Of longer data only short scalars are kept for replaying conditions, so that memory is bounded by the rows.
LONGEST_DATA = 2_048
LONGEST_VALUE = 100
MAX_SHORT = 20
_LEVEL = 3

Row = Sequence[Any]


def pack(body: bytes | None, rows: Sequence[Row]) -> bytes:
    """A chunk of what `body` holds and of rows [id, actor, source, type, subject, data (JSON), seconds, position]."""
    kept = [] if body is None else unpack(body)
    columns = list(zip(*[*kept, *map(_prepare, rows)], strict=True))
    return zlib.compress(msgspec.msgpack.encode(columns), _LEVEL)


def unpack(body: bytes) -> list[Row]:
    """Rows [id, actor, source, type, subject, data, seconds, position, detail]; `detail` is what the event is about."""
    columns = msgspec.msgpack.decode(zlib.decompress(body))
    return list(zip(*columns, strict=True))


def _prepare(row: Row) -> Row:
    event_id, actor, source, kind, subject, data, seconds, position = row
    asked = data is not None and (not subject or len(data) > LONGEST_DATA)
    decoded = msgspec.json.decode(data) if asked else None
    detail = subjects.detail({"subject": subject, "data": decoded})
    kept = data if data is None or len(data) <= LONGEST_DATA else _shortened(decoded)
    return (event_id, actor, source, kind, subject, kept, seconds, position, detail)


def _shortened(data: Any) -> str | None:
    """The short scalars of an object, as JSON."""
    if not isinstance(data, dict):
        return None
    short = {name: value for name, value in data.items() if _is_short(name) and _is_short(value)}
    return msgspec.json.encode(dict(list(short.items())[:MAX_SHORT])).decode()


def _is_short(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) <= LONGEST_VALUE)
