"""Many events in one body: a JSON array or one document a line, each item judged by itself."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from prometheus_client import Counter

from services.events.storage.log import Appended
from shared import errors

MAX_ITEMS = 5_000
EVENTS = Counter("floyo_events_total", "Events that were sent, by what became of them", ["outcome"])
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_BLANK = " \t\n\r"


def count(outcome: str, number: int = 1) -> None:
    """Adds to the process's figures."""
    _figure(outcome).inc(number)


@cache
def _figure(outcome: str) -> Any:
    return EVENTS.labels(outcome)


@dataclass(slots=True)
class Outcome:
    """What became of a batch; `rejected` holds {index, type, detail} in order."""

    accepted: int = 0
    duplicates: int = 0
    filtered: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def add(self, appended: Appended | None) -> None:
        """Counts an item that the log took, knew, or a filter dropped."""
        if appended is None:
            self.filtered += 1
        elif appended.duplicate:
            self.duplicates += 1
        else:
            self.accepted += 1

    def reject(self, index: int, error: errors.FloyoError) -> None:
        """Notes why an item was refused."""
        pointer = error.errors[0].pointer if error.errors else ""
        detail = f"{pointer}: {error.detail}" if pointer and pointer not in error.detail else error.detail
        self.rejected.append({"index": index, "type": errors.TYPE_PREFIX + error.slug, "detail": detail})

    def note(self) -> None:
        """Adds it to the process's figures."""
        for name, number in (("accepted", self.accepted), ("duplicate", self.duplicates),
                             ("filtered", self.filtered), ("rejected", len(self.rejected))):  # fmt: skip
            if number:
                count(name, number)

    def body(self) -> dict[str, Any]:
        """The answer."""
        answer: dict[str, Any] = {
            "accepted": self.accepted, "duplicates": self.duplicates, "rejected": self.rejected,
        }  # fmt: skip
        return {**answer, "filtered": self.filtered} if self.filtered else answer


def split_lines(body: bytes) -> list[bytes]:
    """The documents of NDJSON; blank lines are none."""
    return within([line for line in body.split(b"\n") if line.strip()])


def split_array(body: bytes) -> list[bytes]:
    """The items of a JSON array, undecoded; raises BadRequest when it is malformed or no array."""
    try:
        return within([bytes(item) for item in _RAW.decode(body)])
    except msgspec.ValidationError:
        raise errors.BadRequest("malformed-json", "The body is no JSON array.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return within(_split_leniently(body))


def _split_leniently(body: bytes) -> list[bytes]:
    """Item by item, so that NaN or an over-deep item spoils itself alone."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise errors.BadRequest("malformed-json", "The body is not UTF-8.") from None
    decoder = json.JSONDecoder()
    items: list[bytes] = []
    place = _skip(text, 0)
    if text[place : place + 1] != "[":
        raise errors.BadRequest("malformed-json", "The body is no JSON array.")
    place = _skip(text, place + 1)
    while text[place : place + 1] != "]" or items:
        try:
            end = decoder.raw_decode(text, place)[1]
        except (json.JSONDecodeError, RecursionError):
            raise errors.BadRequest("malformed-json", f"The array is malformed at character {place}.") from None
        items.append(text[place:end].encode())
        place = _skip(text, end)
        if text[place : place + 1] == "]":
            break
        if text[place : place + 1] != ",":
            raise errors.BadRequest("malformed-json", f"The array is malformed at character {place}.")
        place = _skip(text, place + 1)
    if _skip(text, place + 1) != len(text):
        raise errors.BadRequest("malformed-json", "Something follows the array.")
    return items


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANK:
        place += 1
    return place


def within(items: list[bytes]) -> list[bytes]:
    """The items, unless there are too many."""
    if len(items) > MAX_ITEMS:
        raise errors.TooLarge("too-many-items", f"A batch holds at most {MAX_ITEMS} events.")
    return items
