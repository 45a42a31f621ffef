"""ActivityWatch's exported buckets: windows, pages, files and presence, read as a stream."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit, urlunsplit

from client import masking
from client.importers import drafts, reading, times
from client.importers.drafts import Event, Fault, Numbering, Report, Unreadable

_PIECE = 1 << 16
_LARGEST = 1 << 24
# What each type of bucket tells: the event's type, and the fields of its data that say what it was about.
_MEANING: dict[str, tuple[str, tuple[str, ...]]] = {
    "currentwindow": ("window.focused", ("app", "title")),
    "web.tab.current": ("page.viewed", ("url", "title")),
    "app.editor.activity": ("file.edited", ("file", "project")),
    "afkstatus": ("presence", ("status",)),
}


def detect(beginning: str) -> bool:
    """Whether a file's beginning looks like an export."""
    return beginning.lstrip("\ufeff \r\n\t").startswith("{") and '"buckets"' in beginning


def read(path: Path, *, actor: str | None = None, report: Report = drafts.ignore) -> Iterator[Event]:
    """An event for each of the buckets'; without `actor` the machine that they were recorded on. Raises Unreadable."""
    numbering = Numbering()
    with reading.open_text(path) as text:
        for number, (name, bucket, entry) in enumerate(_entries(_Json(text, path)), 1):
            try:
                yield numbering.give(_event(name, bucket, entry, actor))
            except (ValueError, TypeError, AttributeError) as error:
                report(Fault(f"event {number}", str(error)))


def _event(name: str, bucket: dict[str, Any], entry: dict[str, Any], actor: str | None) -> Event:
    kind = str(bucket.get("type") or name.split("_", maxsplit=1)[0])
    known, fields = _MEANING.get(kind, (kind, ("title", "app", "name")))
    data = {key: _bare(value) if key == "url" else value for key, value in dict(entry.get("data") or {}).items()}
    if kind == "afkstatus":
        known = f"presence.{'away' if data.get('status') == 'afk' else 'active'}"
    subject = next((str(data[field]) for field in fields if data.get(field)), "")
    identity = entry.get("id")
    return drafts.event(
        "activitywatch",
        known,
        times.read(str(entry["timestamp"])),
        actor=actor or str(bucket.get("hostname") or ""),
        subject=masking.mask(subject),
        data=masking.mask_data({**data, "duration_seconds": float(entry.get("duration") or 0), "bucket": name}),
        id=None if identity is None else f"{name}:{identity}:{entry['timestamp']}",
    )


def _bare(url: Any) -> str:
    """The address without query and fragment, in which sites put whatever they like."""
    parts = urlsplit(str(url))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _entries(document: "_Json") -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(bucket's name, what was told of the bucket so far, event)."""
    for key in document.members():
        if key != "buckets":
            document.value()
            continue
        for name in document.members():
            bucket: dict[str, Any] = {}
            for field in document.members():
                if field != "events":
                    bucket[field] = document.value()
                    continue
                for _ in document.items():
                    yield name, bucket, document.value()


class _Json:
    """A document read value by value, with no more in memory than the value at hand."""

    def __init__(self, text: TextIO, path: Path) -> None:
        self._text, self._path = text, path
        self._buffer, self._at = "", 0
        self._decoder = json.JSONDecoder()

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here; the value of each has to be read before the next."""
        for _ in self._parts("{", "}"):
            key = self.value()
            self._expect(":")
            yield str(key)

    def items(self) -> Iterator[None]:
        """Once for each item of the array that begins here, which has to be read before the next."""
        return self._parts("[", "]")

    def value(self) -> Any:
        """The value that begins here."""
        self._peek()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._buffer, self._at)
            except (json.JSONDecodeError, RecursionError):
                found, end = None, len(self._buffer)
            if end < len(self._buffer):
                self._at = end
                return found
            if not self._more():
                raise self._fault()

    def _parts(self, opening: str, closing: str) -> Iterator[None]:
        self._expect(opening)
        if self._peek() == closing:
            self._at += 1
            return
        while True:
            yield None
            if self._peek() == closing:
                self._at += 1
                return
            self._expect(",")

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._fault()
        self._at += 1

    def _peek(self) -> str:
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in " \r\n\t\ufeff":
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Reads on; False at the end, or when one value is larger than 16 million characters."""
        piece = self._text.read(max(_PIECE, len(self._buffer) - self._at))
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece) and len(self._buffer) <= _LARGEST

    def _fault(self) -> Unreadable:
        return Unreadable(f"{self._path} is no sound export of ActivityWatch.")
