"""Reading events without decoding their data, when nothing in the bytes is in doubt.

What these functions accept, the strict reading of `drafts` accepts with the same result; whatever they are not sure of
they leave to it. `data` stays the bytes that came, scanned for what could be misread or PostgreSQL's jsonb refuses.
"""

import re
from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from services.events.domain import drafts
from services.events.domain.batches import MAX_ITEMS
from services.events.domain.drafts import Batch, Draft, Name, Text
from shared import errors

MAX_BRACKETS = 60
_NOTHING = frozenset({b"", b"null"})
# Escapes may hide U+0000, surrogates or the name of a field; long numbers and exponents may be out of range.
_DOUBTFUL = re.compile(rb"\\u|\x00|[:,\[]\s*-?(?:[0-9]*\.?[0-9]{16}|[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{3})")
_FIELDS = ("source", "type", "id", "actor", "subject", "time", "data")
_QUOTED = tuple((name, f'"{name}"'.encode()) for name in _FIELDS)


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    source: Name
    type: Name
    id: Name | UnsetType | None = UNSET
    actor: Name | UnsetType | None = UNSET
    subject: Text | UnsetType | None = UNSET
    time: str | UnsetType | None = UNSET
    data: msgspec.Raw | UnsetType = UNSET


_ONE = msgspec.json.Decoder(_Event)
_MANY = msgspec.json.Decoder(list[_Event])


def read(body: bytes, organization_id: UUID) -> Draft | None:
    """One event's draft, or None when in doubt."""
    found = _decode(body, lines=None)
    made = None if found is None else _build(body, found)
    return None if made is None else made.drafts(organization_id)[0]


def read_many(body: bytes, *, lines: bool) -> Batch | None:
    """A whole batch, a JSON array or NDJSON, or None when in doubt about any of it."""
    found = _decode(body, lines=lines)
    if found is None or len(found) > MAX_ITEMS:
        return None
    return _build(body, found)


def _decode(body: bytes, *, lines: bool | None) -> list[_Event] | None:
    if _DOUBTFUL.search(body):
        return None
    try:
        if not body.isascii():
            body.decode("utf-8")
        if lines is None:
            return [_ONE.decode(body)]
        return _ONE.decode_lines(body) if lines else _MANY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _build(body: bytes, found: Sequence[_Event]) -> Batch | None:
    raw = [b"" if isinstance(event.data, UnsetType) else bytes(event.data) for event in found]
    if not _each_name_once(body, found, raw):
        return None
    if any(data.count(b"[") + data.count(b"{") > MAX_BRACKETS for data in raw):
        return None
    try:
        times = [drafts.parse_time(event.time) if isinstance(event.time, str) else None for event in found]
    except errors.Invalid:
        return None
    return Batch(
        [event.id or None for event in found],
        [event.source for event in found],
        [event.type for event in found],
        [event.actor or None for event in found],
        [event.subject or None for event in found],
        times,
        [None if data in _NOTHING else data.decode() for data in raw],
    )


def _each_name_once(body: bytes, found: Sequence[_Event], raw: Sequence[bytes]) -> bool:
    """Whether no event names a field twice: every `"name"` outside of data is one that an event has."""
    inside = b",".join(raw)
    for name, quoted in _QUOTED:
        if name in {"source", "type"}:
            expected = len(found)
        else:
            expected = sum(getattr(event, name) is not UNSET for event in found)
        if body.count(quoted) - inside.count(quoted) != expected:
            return False
    return True
