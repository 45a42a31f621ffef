"""Finds files in a folder by what is in them, and reads them line by line: what is damaged is left out and counted."""

from __future__ import annotations

import csv
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Record = Mapping[str, str]

GZIP = 16 + zlib.MAX_WBITS
_MILLISECONDS, _MICROSECONDS, _NANOSECONDS = 1e11, 1e14, 1e17


@dataclass
class Damage:
    """Lines left out of each file because they could not be read."""

    lines: Counter[str] = field(default_factory=Counter)

    def sound(self, name: str, rows: Iterable[Record], read: Callable[[Record], T]) -> Iterator[T]:
        """What `read` makes of each row; one that it cannot read (ValueError, KeyError, OverflowError) is counted."""
        for row in rows:
            try:
                yield read(row)
            except (ValueError, KeyError, OverflowError):
                self.lines[name] += 1


@dataclass(frozen=True)
class Sheet:
    """A file with a header. columns: as `plain` names them; rows: those of another width are blank."""

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Record]

    def column(self, names: Sequence[str]) -> str | None:
        """The first of the names that is a column."""
        return next((name for name in names if name in self.columns), None)


def plain(name: str) -> str:
    """A column's name in small letters and digits alone, so that `author_time` and `Author Time` are one."""
    return "".join(char for char in name.casefold() if char.isalnum())


def files(folder: Path) -> list[Path]:
    """All files below the folder but hidden ones, by name."""
    found = folder.rglob("*") if folder.is_dir() else iter(())
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


@lru_cache(maxsize=8)
def text(path: Path) -> str:
    """The file's text, unpacked if it is gzip; of a file that was cut off, what is there."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = _unpacked(raw)
    return raw.decode("utf-8-sig", errors="replace").replace("\x00", "")


def _unpacked(raw: bytes) -> bytes:
    parts: list[bytes] = []
    while raw[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(GZIP)
        try:
            parts.append(unpacker.decompress(raw))
        except zlib.error:
            parts.append(_piecewise(raw))
            break
        raw = unpacker.unused_data
    return b"".join(parts)


def _piecewise(raw: bytes, size: int = 512) -> bytes:
    """What can be unpacked before the damage."""
    unpacker, done = zlib.decompressobj(GZIP), bytearray()
    for begin in range(0, len(raw), size):
        try:
            done += unpacker.decompress(raw[begin : begin + size])
        except zlib.error:
            break
    return bytes(done)


def sheet(path: Path, usual: tuple[str, ...] = ()) -> Sheet:
    """The file as a table, whatever parts its columns: tab, comma or semicolon.

    One whose first line begins with a number has no header; its columns are the `usual` ones if they are as many.
    """
    lines = text(path).splitlines(keepends=True)
    head = lines[0] if lines else ""
    mark = max("\t,;", key=head.count)
    bare = mark == "\t" and '"' not in head
    reader = csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_NONE if bare else csv.QUOTE_MINIMAL)
    rows = _rows(reader)
    first = next(rows, [])
    columns = tuple(plain(name) for name in first)
    headless = len(usual) == len(first) and first[0].isdigit()
    if headless:
        rows, columns = chain([first], rows), usual
    return Sheet(path, columns, [_record(columns, row) for row in rows if row])


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield [""]


def _record(columns: tuple[str, ...], row: list[str]) -> Record:
    return dict(zip(columns, row, strict=True)) if len(row) == len(columns) else {}


def objects(path: Path) -> Sheet:
    """A file of JSON objects, one a line or all in one list, as a table of texts."""
    body = text(path)
    try:
        whole = json.loads(body) if body.lstrip().startswith("[") else [_object(line) for line in body.splitlines()]
    except (ValueError, RecursionError):
        whole = []
    rows = [_flat(one) for one in whole if one is not None]
    return Sheet(path, tuple({name: None for row in rows[:100] for name in row}), rows)


def _object(line: str) -> object:
    if not line.strip():
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return {}


def _flat(one: object) -> Record:
    if not isinstance(one, dict):
        return {}
    return {plain(name): str(value) for name, value in one.items() if isinstance(value, str | int | float)}


def seconds(given: str) -> float:
    """Seconds since the epoch of an ISO 8601 text or a number (seconds, or smaller units by its size); ValueError."""
    given = given.strip()
    try:
        number = float(given)
    except ValueError:
        moment = datetime.fromisoformat(given)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= number < 1e20:
        raise ValueError(given)
    for least, scale in ((_NANOSECONDS, 1e9), (_MICROSECONDS, 1e6), (_MILLISECONDS, 1e3)):
        if number >= least:
            return number / scale
    return number
