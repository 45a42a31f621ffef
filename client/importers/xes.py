"""XES event logs (IEEE 1849), read as a stream; a document that declares entities is refused, so none can expand."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from client import masking
from client.importers import drafts, reading, times
from client.importers.drafts import Event, Fault, Numbering, Report, Unreadable

_CHUNK = 1 << 16
_DEEPEST = 100
_MOST_ATTRIBUTES = 200
_VALUES = frozenset({"string", "date", "int", "float", "boolean", "id"})
_COMPLETE = "complete"
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
                yield numbering.give(_event(stem, case, attributes, actor))
            except ValueError as error:
                report(Fault(f"event {number}", str(error)))


def _event(source: str, case: dict[str, str], attributes: dict[str, str], actor: str | None) -> Event:
    kind = attributes.get(_NAME)
    if not kind:
        raise ValueError("it has no concept:name")
    state = attributes.get(_STATE, "").lower()
    about = case.get(_NAME, "")
    known = {_NAME, _TIME, _WHO}
    data = {name: value for name, value in attributes.items() if name not in known}
    return drafts.event(
        source,
        kind if state in {"", _COMPLETE} else f"{kind}.{state}",
        _moment(attributes.get(_TIME, "")),
        actor=attributes.get(_WHO) or actor,
        subject=masking.mask(about),
        data=masking.mask_data({**data, "case": about}),
    )


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
    """What is open while the document goes by."""

    def __init__(self) -> None:
        self.is_log = False
        self._open: list[str] = []
        self._case: dict[str, str] = {}
        self._event: dict[str, str] = {}
        self._done: list[tuple[dict[str, str], dict[str, str]]] = []

    def open(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = tag.rpartition(":")[2]
        above = self._open[-1] if self._open else ""
        self._open.append(name)
        if len(self._open) > _DEEPEST:
            raise Unreadable(f"The document is nested deeper than {_DEEPEST}.")
        if len(self._open) == 1:
            self.is_log = name == "log"
        elif name == "trace":
            self._case = {}
        elif name == "event":
            self._event = {}
        elif name in _VALUES and above in {"trace", "event"}:
            held = self._case if above == "trace" else self._event
            if len(held) < _MOST_ATTRIBUTES and "key" in attributes:
                held[attributes["key"]] = attributes.get("value", "")

    def close(self, _tag: str) -> None:
        """An element ends."""
        if self._open.pop() == "event":
            self._done.append((self._case, self._event))

    def refuse(self, *_declared: object) -> None:
        """A declaration, with which a short document could become an endless one or read other files."""
        raise Unreadable("The document declares a document type or entities; no event log needs them.")

    def take(self) -> list[tuple[dict[str, str], dict[str, str]]]:
        """The events that have ended."""
        done, self._done = self._done, []
        return done
