"""Tables: CSV and its dialects, tab-separated histories of repositories, and shell commands kept as a table."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TextIO

from client import masking
from client.importers import columns, commands, drafts, reading, times
from client.importers.columns import Meaning
from client.importers.drafts import Event, Fault, Numbering, Report, Unreadable

_DELIMITERS = ",;\t|"
_LARGEST_FIELD = 1 << 20
_GIT_HEADERS = frozenset({"commit_no", "author", "path"})
_SUFFIXES = re.compile(r"(\.(csv|tsv|txt|gz))+$", re.IGNORECASE)


@dataclass(frozen=True)
class Options:
    """How a table is to be read; `mapping` as columns.parse gives it, `source` and `actor` where no column says."""

    mapping: Mapping[str, Sequence[str]] = field(default_factory=dict)
    source: str | None = None
    actor: str | None = None
    zone: tzinfo = UTC
    time_format: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True)
class _Row:
    line: int
    values: dict[str, str]


def headers(beginning: str, delimiter: str | None = None) -> list[str]:
    """The names in the first line; an only one when this is no table."""
    first = _first(beginning)
    try:
        return [name.strip() for name in next(csv.reader([first], delimiter=delimiter or _delimiter(first)), [])]
    except csv.Error:
        return []


def read(path: Path, options: Options | None = None, report: Report = drafts.ignore) -> Iterator[Event]:
    """An event for each row; rows that are none are reported and left out. Raises Unreadable."""
    beginning = reading.head(path)
    chosen = replace(options or Options(), delimiter=(options and options.delimiter) or _delimiter(_first(beginning)))
    names = headers(beginning, chosen.delimiter)
    if len(names) < 2 or len(set(names)) < len(names):
        raise Unreadable(f"{path} does not begin with a line of different column names, but with {names[:8]}.")
    if set(names) >= _GIT_HEADERS and not chosen.mapping:
        yield from _history(path, names, chosen, report)
        return
    meaning = columns.detect(names, chosen.mapping)
    secrets = _named_secrets(path, names, chosen) if _has_commands(meaning) else set()
    numbering = Numbering()
    for row in _rows(path, names, chosen, report):
        try:
            found = _event(row.values, meaning, chosen, _stem(path), secrets)
        except ValueError as error:
            report(Fault(f"line {row.line}", str(error)))
            continue
        if found:
            yield numbering.give(found)


def _event(values: dict[str, str], meaning: Meaning, options: Options, stem: str, secrets: set[str]) -> Event | None:
    kind = masking.mask(meaning.value("type", values))
    if not kind:
        raise ValueError("it has no type")
    moment = _moment(meaning.value("time", values), options)
    source = options.source or meaning.value("source", values) or stem
    actor = masking.mask_name(_actor(meaning, values) or options.actor or "")
    subject = meaning.value("subject", values)
    rest = {name: value for name, value in values.items() if name not in meaning.used}
    if _has_commands(meaning):
        system = "shell" if kind.startswith(("bash", "command", "sh")) else kind.removesuffix("-command")
        named = options.source or system
        return commands.event(named, subject, moment, actor=actor, secrets=secrets, data=dict(rest))
    return drafts.event(
        source,
        kind,
        moment,
        actor=actor,
        subject=masking.mask(subject),
        data=masking.mask_data(rest),
        id=meaning.value("id", values) or None,
    )


def _moment(text: str, options: Options) -> datetime:
    if not text:
        raise ValueError("it has no time")
    try:
        return times.read(text, options.zone, options.time_format)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no time") from None


def _actor(meaning: Meaning, values: dict[str, str]) -> str:
    """The actor; where it is a bare number the column's name tells what is numbered."""
    actor = meaning.value("actor", values)
    return f"{meaning.columns['actor'][-1].lower()}-{actor}" if actor.isdigit() else actor


def _has_commands(meaning: Meaning) -> bool:
    return meaning.columns.get("subject", ("",))[0].lower() in {"cmd", "command"}


def _named_secrets(path: Path, names: list[str], options: Options) -> set[str]:
    """Values that some command names as secrets, for they are typed bare elsewhere."""
    found: set[str] = set()
    column = next(name for name in names if name.lower() in {"cmd", "command"})
    for row in _rows(path, names, options, drafts.ignore):
        masking.mask(row.values.get(column, ""), found)
    return found


def _history(path: Path, names: list[str], options: Options, report: Report) -> Iterator[Event]:
    """The history of a repository: a line for each file of each commit, oldest first, authors as numbers."""
    repository, current = _stem(path), ""
    for row in _rows(path, names, options, report):
        values = row.values
        number = values["commit_no"]
        try:
            moment = times.read(values.get("author_time") or values.get("time", ""))
        except ValueError:
            report(Fault(f"line {row.line}", f"{values.get('author_time', '')!r} is no time"))
            continue
        author = f"{repository}-{values['author']}" if values["author"].isdigit() else values["author"]
        data = {"commit": number, "repository": repository}
        if number != current:
            current = number
            key = f"{repository}:{number}"
            yield drafts.event("git", "commit.created", moment, actor=author, subject=repository, data=data, id=key)
        key = f"{repository}:{number}:{drafts.digest(values['path'])}"
        subject = masking.mask(values["path"])
        yield drafts.event("git", "file.changed", moment, actor=author, subject=subject, data=data, id=key)


def _rows(path: Path, names: list[str], options: Options, report: Report) -> Iterator[_Row]:
    csv.field_size_limit(_LARGEST_FIELD)
    with reading.open_text(path) as text:
        lines = csv.reader(_without_nulls(text), delimiter=options.delimiter or ",", skipinitialspace=True)
        while True:
            begun = lines.line_num + 1
            try:
                cells = next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                report(Fault(f"line {begun}", str(error)))
                continue
            if begun > 1 and any(cell.strip() for cell in cells):
                if fault := _misshapen(cells, names):
                    report(Fault(f"line {begun}", fault))
                else:
                    yield _Row(begun, dict(zip(names, cells, strict=False)))


def _without_nulls(text: TextIO) -> Iterator[str]:
    return (line.replace("\x00", "") for line in text)


def _misshapen(cells: list[str], names: list[str]) -> str | None:
    if any(cell.strip() for cell in cells[len(names) :]):
        return f"it has {len(cells)} fields where there are {len(names)} columns"
    return None


def _first(beginning: str) -> str:
    return beginning.split("\n", 1)[0].rstrip("\r")


def _delimiter(line: str) -> str:
    bare = re.sub(r'"[^"]*"', "", line)
    return max(_DELIMITERS, key=bare.count)


def _stem(path: Path) -> str:
    return _SUFFIXES.sub("", path.name) or "csv"
