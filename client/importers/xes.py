"""XES event logs (IEEE 1849), read as a stream; a document that declares entities is refused, so none can expand."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat

from client import masking
from client.importers import drafts, reading, times
from client.importers.drafts import Event, Fault, Numbering, Report, Unreadable

_CHUNK = 1 << 18
_DEEPEST = 100
_MOST_ATTRIBUTES = 200
_VALUES = frozenset({"string", "date", "int", "float", "boolean", "id"})
_HOLDERS = frozenset({"trace", "event"})
_KNOWN = _VALUES | _HOLDERS
_COMPLETE = "complete"
# No text of an event holds a NUL once it is cleaned.
_MARKS = ("\0case", "\0subject", "\0time")
_MARKED = re.compile(r'"\\u0000(?:case|subject|time)"')
_NAME, _TIME, _WHO, _STATE = "concept:name", "time:timestamp", "org:resource", "lifecycle:transition"


def detect(beginning: str) -> bool:
    """Whether a file's beginning looks like an event log."""
    return beginning.lstrip("\ufeff \r\n\t").startswith("<") and "<log" in beginning


def read(path: Path, *, actor: str | None = None, report: Report = drafts.ignore) -> Iterator[Event]:
    """An event for each of the log's, case by case; the case is the subject. Raises Unreadable."""
    stem = path.name.split(".")[0] or "xes"
    numbering = Numbering()
    with reading.open_bytes(path) as raw:
        for number, (case, attributes) in enumerate(_parse(raw, path), 1):
            try:
                yield numbering.give(*_event(stem, case, attributes, actor))
            except ValueError as error:
                report(Fault(f"event {number}", str(error)))


@dataclass(frozen=True)
class _Step:
    """What events with the same attributes have in common, whenever and in whichever case they happen.

    event: such an event with marks for case, subject and time; pieces: its content cut where these stand.
    """

    event: Event
    pieces: tuple[str, ...]


def _event(source: str, case: dict[str, str], attributes: dict[str, str], actor: str | None) -> tuple[Event, str]:
    """The event and its content; a log holds the same few steps again and again, so what they share is made once."""
    time = attributes.pop(_TIME, "")
    step = _step(source, tuple(attributes.items()), actor)
    moment = _moment(time).isoformat()
    named, subject = _about(case.get(_NAME, ""))
    data = {**step.event["data"], "case": named}
    event = {**step.event, "data": data, "subject": subject, "time": moment}
    if not named or not subject:
        event = {name: value for name, value in {**event, "data": _without(data, named)}.items() if value}
        return event, drafts.content(event)
    first, second, third, last = step.pieces
    return event, f'{first}{_quote(named)}{second}{_quote(subject)}{third}"{moment}"{last}'


@lru_cache(maxsize=4_096)
def _step(source: str, attributes: tuple[tuple[str, str], ...], actor: str | None) -> _Step:
    told = dict(attributes)
    kind = told.get(_NAME)
    if not kind:
        raise ValueError("it has no concept:name")
    state = told.get(_STATE, "").lower()
    event = drafts.event(
        source,
        masking.mask(kind if state in {"", _COMPLETE} else f"{kind}.{state}"),
        None,
        actor=masking.mask_name(told.get(_WHO) or actor or ""),
        data=masking.mask_data({name: value for name, value in told.items() if name not in {_NAME, _WHO}}),
    )
    event |= {"subject": _MARKS[1], "time": _MARKS[2], "data": {**event.get("data", {}), "case": _MARKS[0]}}
    return _Step(event, tuple(_MARKED.split(drafts.content(event))))


@lru_cache(maxsize=4_096)
def _about(case: str) -> tuple[str, str]:
    """The case as data and as subject, masked."""
    event = drafts.event("", "", None, subject=masking.mask(case), data={"case": masking.mask(case)})
    return event.get("data", {}).get("case", ""), event.get("subject", "")


def _without(data: dict[str, Any], named: str) -> dict[str, Any]:
    return data if named else {name: value for name, value in data.items() if name != "case"}


_quote = lru_cache(maxsize=4_096)(json.dumps)


def _moment(text: str) -> datetime:
    if not text:
        raise ValueError("it has no time:timestamp")
    try:
        return times.read(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no time") from None


def _parse(raw: BinaryIO, path: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """(attributes of the case, attributes of the event), with no more than a piece of the file in memory."""
    parser = expat.ParserCreate()
    handler = _Handler()
    parser.buffer_text = True
    parser.StartElementHandler = handler.open
    parser.EndElementHandler = handler.close
    parser.StartDoctypeDeclHandler = handler.refuse
    parser.EntityDeclHandler = handler.refuse
    try:
        while piece := raw.read(_CHUNK):
            parser.Parse(piece, False)
            yield from handler.take()
        parser.Parse(b"", True)
        yield from handler.take()
    except expat.ExpatError as error:
        raise Unreadable(f"{path} is no sound XML: {error}.") from None
    if not handler.is_log:
        raise Unreadable(f"{path} is XML, but no event log.")


class _Handler:
    """What is open while the document goes by: how deep, and the attributes of the innermost trace or event."""

    def __init__(self) -> None:
        self.is_log = False
        self._depth = 0
        self._open: list[tuple[int, str, dict[str, str]]] = [(0, "", {})]
        self._within = 1
        self._held: dict[str, str] = {}
        self._trace: dict[str, str] = {}
        self._done: list[tuple[dict[str, str], dict[str, str]]] = []

    def open(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        depth = self._depth = self._depth + 1
        name = tag if tag in _KNOWN else tag.rpartition(":")[2]
        if name in _VALUES:
            if depth == self._within and len(self._held) < _MOST_ATTRIBUTES and "key" in attributes:
                self._held[attributes["key"]] = attributes.get("value", "")
        elif name in _HOLDERS:
            self._hold(depth, name, {})
        elif depth == 1:
            self.is_log = name == "log"
        if depth > _DEEPEST:
            raise Unreadable(f"The document is nested deeper than {_DEEPEST}.")

    def close(self, _tag: str) -> None:
        """An element ends."""
        self._depth -= 1
        if self._depth < self._within - 1:
            self._release()

    def _hold(self, depth: int, name: str, held: dict[str, str]) -> None:
        self._open.append((depth, name, held))
        self._held, self._within = held, depth + 1
        if name == "trace":
            self._trace = held

    def _release(self) -> None:
        _, name, held = self._open.pop()
        if name == "event":
            self._done.append((self._trace, held))
        depth, _, self._held = self._open[-1]
        self._within = depth + 1

    def refuse(self, *_declared: object) -> None:
        """A declaration, with which a short document could become an endless one or read other files."""
        raise Unreadable("The document declares a document type or entities; no event log needs them.")

    def take(self) -> list[tuple[dict[str, str], dict[str, str]]]:
        """The events that have ended."""
        done, self._done = self._done, []
        return done
