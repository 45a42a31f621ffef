"""Reading events without decoding their data, when nothing in the bytes is in doubt.

What these functions accept, the strict reading of `drafts` accepts with the same result; whatever they are not sure of
they leave to it. `data` stays the bytes that came, scanned for what could be misread or PostgreSQL's jsonb refuses.
"""

import re
from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from services.events.domain import drafts
from services.events.domain.batches import MAX_ITEMS
from services.events.domain.drafts import Batch, Draft, Name, Text
from shared import errors, ids

MAX_BRACKETS = 60
_NOTHING = frozenset({b"", b"null"})
# Escapes may hide U+0000, surrogates or the name of a field; long numbers and exponents may be out of range.
_DOUBTFUL = re.compile(rb"[:,\[]\s*-?(?:[0-9]*\.?[0-9]{16}|[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{3})")
# Without what may stand inside of numbers or between tokens, and with every digit a 0, such numbers look like these.
_REDUCED = bytes.maketrans(b"123456789E", b"000000000e")
_LEFT_OUT = b" \t\r\n\f\v+-."
_PERHAPS = (b"0e000", b":0000000000000000", b",0000000000000000", b"[0000000000000000")
_BLANK = b" \t\r\n"


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    source: Name
    type: Name
    id: Name | UnsetType | None = UNSET
    actor: Name | UnsetType | None = UNSET
    subject: Text | UnsetType | None = UNSET
    time: str | UnsetType | None = UNSET
    data: msgspec.Raw | UnsetType = UNSET


_columns = attrgetter(*_Event.__struct_fields__)
_ONE = msgspec.json.Decoder(_Event)
_MANY = msgspec.json.Decoder(list[_Event])


def read(body: bytes, organization_id: UUID) -> Draft | None:
    """One event's draft, or None when in doubt."""
    found = _decode(body, lines=None)
    if found is None:
        return None
    (event,) = found
    raw = b"" if isinstance(event.data, UnsetType) else bytes(event.data)
    fields = _columns(event)
    if not _each_name_once(body, len(fields) - fields.count(UNSET), (raw,)) or _is_deep(raw):
        return None
    try:
        time = drafts.parse_time(event.time) if isinstance(event.time, str) else None
    except errors.Invalid:
        return None
    data = None if raw in _NOTHING else raw.decode()
    names = (event.id or None, event.source, event.type, event.actor or None, event.subject or None)
    return Draft(ids.new(), organization_id, *names, time, data)


def read_many(body: bytes, *, lines: bool) -> Batch | None:
    """A whole batch, a JSON array or NDJSON, or None when in doubt about any of it."""
    found = _decode(body, lines=lines)
    if found is None or len(found) > MAX_ITEMS:
        return None
    return _build(body, found)


def _decode(body: bytes, *, lines: bool | None) -> list[_Event] | None:
    if _is_doubtful(body):
        return None
    try:
        if not body.isascii():
            body.decode("utf-8")
        if lines is None:
            return [_ONE.decode(body)]
        return _ONE.decode_lines(body) if lines else _MANY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _is_doubtful(body: bytes) -> bool:
    if b"\\u" in body or b"\x00" in body:
        return True
    reduced = body.translate(_REDUCED, _LEFT_OUT)
    perhaps = [sign for sign in _PERHAPS if sign in reduced]
    return bool(perhaps) and _DOUBTFUL.search(body) is not None


def _build(body: bytes, found: Sequence[_Event]) -> Batch | None:
    columns = list(zip(*map(_columns, found), strict=True)) or [()] * len(Batch._fields)
    sources, types, names, actors, subjects, moments, data = columns
    raw = [b"" if item is UNSET else bytes(item) for item in data]
    named = sum([len(column) - column.count(UNSET) for column in columns])
    if not _each_name_once(body, named, raw) or any(map(_is_deep, raw)):
        return None
    try:
        times = [drafts.parse_time(moment) if isinstance(moment, str) else None for moment in moments]
    except errors.Invalid:
        return None
    return Batch(
        [name or None for name in names],
        list(sources),
        list(types),
        [actor or None for actor in actors],
        [subject or None for subject in subjects],
        times,
        [None if item in _NOTHING else item.decode() for item in raw],
    )


def _is_deep(data: bytes) -> bool:
    return len(data) - len(data.translate(None, b"[{")) > MAX_BRACKETS


def _each_name_once(body: bytes, named: int, raw: Sequence[bytes]) -> bool:
    """Whether no event names a field twice: outside of data there are as many `":` as events have fields.

    A text that holds `":` makes it more, which only means doubt.
    """
    return _count_names(body) - _count_names(b",".join(raw)) == named


def _count_names(text: bytes) -> int:
    return text.translate(None, _BLANK).count(b'":')
