"""Events in the making: texts within the API's limits, and ids that are the same whenever a source is read again."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

NAME_LIMIT = 255
SUBJECT_LIMIT = 1024
DATA_TEXT_LIMIT = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_SORTED = json.JSONEncoder(sort_keys=True, default=str)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")

Event = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """A record of the source that is no event; `place` says where, such as `line 17`."""

    place: str
    reason: str


Report = Callable[[Fault], None]


class Unreadable(ValueError):
    """The source as a whole cannot be imported; the sentence says why and what to do."""


def ignore(_fault: Fault) -> None:
    """A report that nobody reads."""


def event(
    source: str,
    type: str,  # noqa: A002
    time: datetime | str | None,
    *,
    actor: str | None = None,
    subject: str | None = None,
    data: dict[str, Any] | None = None,
    id: str | None = None,  # noqa: A002
) -> Event:
    """An event as the API takes it; empty parts are left out."""
    parts = {
        "id": id and name(id),
        "source": name(source),
        "type": name(type),
        "actor": name(actor or ""),
        "subject": _CONTROL.sub(" ", subject or "").strip()[:SUBJECT_LIMIT],
        "time": time.isoformat() if isinstance(time, datetime) else time,
        "data": {key: _storable(value) for key, value in (data or {}).items() if value not in (None, "")},
    }
    return {key: value for key, value in parts.items() if value}


@lru_cache(maxsize=4_096)
def name(text: str) -> str:
    """A text fit to be a source, type or actor."""
    return _CONTROL.sub(" ", text).strip()[:NAME_LIMIT]


def content(event: Event) -> str:
    """Everything that an event says, the same for the same event."""
    return _SORTED.encode(event)


def digest(*parts: str) -> str:
    """128 bits that stand for these texts."""
    return hashlib.blake2b("\x1f".join(parts).encode(errors="replace"), digest_size=16).hexdigest()


class Numbering:
    """Gives ids by content, and to events that are alike at one moment one after the other.

    Only what has the same time is remembered. `timeless` leaves the time out, which then has to be an estimate, and
    remembers every event's digest.
    """

    def __init__(self, *, timeless: bool = False) -> None:
        self._timeless = timeless
        self._moment: str | None = None
        self._seen: dict[str, int] = {}

    def give(self, event: Event, written: str | None = None) -> Event:
        """The event with its id, unless it brought one; `written` is its content where that is known already."""
        if "id" in event:
            return event
        moment = None if self._timeless else event.get("time")
        if moment != self._moment:
            self._moment, self._seen = moment, {}
        told = {key: value for key, value in event.items() if key != "time"} if self._timeless else event
        key = digest(written or content(told))
        count = self._seen[key] = self._seen.get(key, 0) + 1
        return {"id": key if count == 1 else f"{key}-{count}", **event}


def _storable(value: Any) -> Any:
    return _UNSTORABLE.sub("", value)[:DATA_TEXT_LIMIT] if isinstance(value, str) else value
