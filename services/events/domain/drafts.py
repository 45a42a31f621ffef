"""Events as senders describe them, checked and made ready for the log."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import orjson
from msgspec import Meta

from services.events.storage.batches import Batch
from services.events.storage.log import Draft
from shared import errors, ids

__all__ = ["Batch", "Draft", "Incoming", "Name", "Text", "build", "encode", "invalid", "parse_time", "read"]

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(min_length=1, max_length=1_024)]
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PLACE = re.compile(r" - at `\$?(.*)`$")


class Incoming(msgspec.Struct, forbid_unknown_fields=True):
    """One event as posted: what happened (`type`) where (`source`), and perhaps who, about what, when and details."""

    source: Name
    type: Name
    id: Name | None = None
    actor: Name | None = None
    subject: Text | None = None
    time: str | None = None
    data: Any = None


def read(value: Any, organization_id: UUID) -> Draft:
    """A draft from a decoded JSON event; raises Invalid and names the wrong field."""
    try:
        incoming = msgspec.convert(value, Incoming)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    return build(incoming, organization_id)


def build(incoming: Incoming, organization_id: UUID, extensions: Mapping[str, Any] | None = None) -> Draft:
    """A draft from a checked event."""
    return Draft(
        id=ids.new(),
        organization_id=organization_id,
        external_id=incoming.id,
        source=incoming.source,
        type=incoming.type,
        actor=incoming.actor,
        subject=incoming.subject,
        time=None if incoming.time is None else parse_time(incoming.time),
        data=None if incoming.data is None else encode(incoming.data),
        extensions=encode(extensions) if extensions else None,
    )


def encode(value: Any) -> str:
    """The JSON text of a decoded value."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return msgspec.json.encode(value).decode()  # integers beyond 64 bits


def parse_time(text: str, pointer: str = "/time") -> datetime:
    """An RFC 3339 timestamp between the years 1 and 9999; raises Invalid."""
    if _TIMESTAMP.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise errors.invalid_field(pointer, "Must be an RFC 3339 timestamp with a zone, such as 2026-01-31T09:00:00Z.")


def invalid(message: str) -> errors.Invalid:
    """A problem from what msgspec says."""
    place = _PLACE.search(message)
    detail = _PLACE.sub("", message) + "."
    pointer = "/" + place.group(1).strip(".").replace(".", "/") if place and place.group(1) else ""
    if not pointer and (named := re.search(r"field `(\w+)`", message)):
        pointer = f"/{named.group(1)}"
    return errors.invalid_field(pointer, detail)
