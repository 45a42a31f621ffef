"""The kinds of recorded activity that quality is judged on, known by their columns: commits, shells, screens, days."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.local.quality.sources import Damage, Record, Sheet, files, objects, seconds, sheet, text

COMMIT = ("commitno", "commit", "commitnumber", "commitid", "sha", "hash", "revision", "rev")
AUTHOR = ("author", "authorid", "authorno", "authornumber", "committer", "user")
MOMENT = ("timestamp", "authortime", "epochseconds", "epoch", "time", "seconds", "date", "datetime", "timetimestamp")
PATH = ("path", "file", "filename", "filepath")
COMMAND = ("cmd", "command", "commandline", "cmdline", "line", "input")
PERSON = ("user", "userid", "username", "sandbox", "sandboxid", "actor", "session", "host", "hostname")
# A person's number is that person's only together with these.
SCOPE = ("game", "day", "pool", "poolid", "team", "group", "course", "training")
CASE = ("caseid", "case", "casenumber", "caseconceptname", "traceid")
ACTION = ("eventtype", "action", "activity", "conceptname", "event", "type")
CONTEXT = ("targetapp", "source", "application", "label", "column", "filename", "url", "targetname", "targetsheetname")
_BARE = ("commitno", "author", "authortime", "tz", "path")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)\s+(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)\s+(\S.*?)\s*$")
_STAMP = re.compile(r"#(\d{9,})$|: (\d{9,}):\d+;")

Commit = tuple[str, float, list[str]]
Typed = tuple[str, float, str]


@dataclass(frozen=True)
class Recording:
    """A screen recording with the true case of each event, -1 for none; arrays of one length."""

    name: str
    codes: NDArray[np.int64]
    times: NDArray[np.float64]
    cases: NDArray[np.int64]


def _name(path: Path) -> str:
    return path.name.split(".")[0]


def _is(path: Path, *endings: str) -> bool:
    return path.name.removesuffix(".gz").casefold().endswith(endings)


def _sheets(folder: Path, *endings: str, usual: tuple[str, ...] = ()) -> Iterator[Sheet]:
    for path in files(folder):
        if _is(path, *endings):
            yield objects(path) if _is(path, "json", "jsonl", "ndjson") else sheet(path, usual)


def repositories(folder: Path, damage: Damage) -> Iterator[tuple[str, list[Commit]]]:
    """Histories as commits (author, seconds, paths), oldest first, from tables with a commit and a path in each row."""
    for table in _sheets(folder, ".tsv", ".csv", ".txt", usual=_BARE):
        number, path = table.column(COMMIT), table.column(PATH)
        moment, author = table.column(("authortime", *MOMENT)), table.column(AUTHOR)
        if number is None or path is None or moment is None:
            continue

        def read(row: Record, names: tuple[str, str, str, str] = (number, author or number, moment, path)) -> Record:
            seconds(row[names[2]])
            one = dict(zip(("number", "author", "moment", "path"), (row[name] for name in names), strict=True))
            if not one["number"] or not one["path"]:
                raise ValueError(row)
            return one

        commits: dict[str, Commit] = {}
        for row in damage.sound(table.path.name, table.rows, read):
            commits.setdefault(row["number"], (row["author"], seconds(row["moment"]), []))[2].append(row["path"])
        if commits:
            yield _name(table.path), [commits[key] for key in _oldest_first(commits)]


def _oldest_first(commits: dict[str, Commit]) -> list[str]:
    if all(key.isdigit() for key in commits):
        return sorted(commits, key=int)
    return sorted(commits, key=lambda key: commits[key][1])


def shells(folder: Path, damage: Damage) -> Iterator[tuple[str, list[Typed]]]:
    """Histories as (person, seconds, command line) in order: tables with a command, or a file a person in `shell`."""
    for table in _sheets(folder, ".csv", ".tsv", ".json", ".jsonl", ".ndjson"):
        command, moment = table.column(COMMAND), table.column(MOMENT)
        if command is None or moment is None or table.column(CASE) is not None:
            continue
        person = table.column(PERSON)
        whose = [name for name in (*SCOPE, person) if name in table.columns]

        def read(row: Record, names: tuple[str, str] = (command, moment), whose: Sequence[str | None] = whose) -> Typed:
            return "/".join(row[name] for name in whose if name), seconds(row[names[1]]), row[names[0]]

        rows = list(damage.sound(table.path.name, table.rows, read))
        if rows:
            yield _name(table.path), sorted(rows, key=lambda row: row[1])
    people: dict[Path, list[Typed]] = {}
    for path in files(folder):
        inside = path.relative_to(folder).parts[:-1]
        if "shell" in inside and not _is(path, ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".md"):
            people.setdefault(path.parent, []).extend(_lines(path))
    yield from ((folder_.name, rows) for folder_, rows in people.items() if rows)


def _lines(path: Path) -> Iterator[Typed]:
    """One person's commands; where the shell kept no times, a second apart."""
    moment = 0.0
    for line in text(path).splitlines():
        stamp = _STAMP.match(line)
        if stamp:
            moment = float(stamp[1] or stamp[2])
            line = line[stamp.end() :]  # noqa: PLW2901 - what is left of it
        if line.strip():
            yield path.name, moment, line
            moment += 1.0


def recordings(folder: Path, damage: Damage) -> Iterator[Recording]:
    """Screen recordings with their cases: tables with a case, an action and a time."""
    for table in _sheets(folder, ".csv", ".tsv"):
        case, action, moment = table.column(CASE), table.column(ACTION), table.column(MOMENT)
        if case is None or action is None or moment is None:
            continue
        names = (action, *(name for name in CONTEXT if name in table.columns and name != action))

        def read(
            row: Record, given: tuple[str, str] = (case, moment), names: tuple[str, ...] = names
        ) -> tuple[str, float, tuple[str, ...]]:
            if not row[names[0]]:
                raise ValueError(row)
            return row[given[0]], seconds(row[given[1]]), _action(row, names)

        rows = list(damage.sound(table.path.name, table.rows, read))
        if rows:
            yield _recording(_name(table.path), rows)


def _recording(name: str, rows: list[tuple[str, float, tuple[str, ...]]]) -> Recording:
    codes: dict[tuple[str, ...], int] = {}
    cases: dict[str, int] = {"": -1}
    return Recording(
        name,
        np.array([codes.setdefault(action, len(codes)) for _, _, action in rows], dtype=np.int64),
        np.array([moment for _, moment, _ in rows]),
        np.array([cases.setdefault(case, len(cases) - 1) for case, _, _ in rows], dtype=np.int64),
    )


def _action(row: Record, names: Sequence[str]) -> tuple[str, ...]:
    """What was done to what: not with which value, nor in which row."""
    place = row.get("targetid") or ""
    in_sheet = row.get("targetapp") == "Excel"
    words = row.get("targetinnertext") or "" if "utton" in row[names[0]] else ""
    return (*(row[name] for name in names), place.rstrip("0123456789") if in_sheet else place, words)


def diaries(folder: Path, damage: Damage) -> Iterator[tuple[str, list[tuple[float, str]]]]:
    """Days at home as (seconds, activity): lines of begin, end and name in `adl`."""
    for path in files(folder):
        if "adl" not in path.relative_to(folder).parts[:-1] or not _is(path, ".txt", ".tsv", ".csv"):
            continue
        found: list[tuple[float, str]] = []
        for line in text(path).splitlines():
            match = _DAY.match(line.strip())
            if match:
                found.append((seconds(match[1]), match[3]))
            elif line.strip(" -\t") and not line.casefold().startswith("start"):
                damage.lines[path.name] += 1
        if found:
            yield _name(path), sorted(found)


def disturbed(recording: Recording, rate: float, seed: int) -> Recording:
    """The recording with a share of its events left out, preceded by a stray one, or swapped, a third each."""
    random = np.random.default_rng(seed)
    rows: list[tuple[int, float, int]] = []
    kinds = int(recording.codes.max()) + 1
    events = zip(recording.codes.tolist(), recording.times.tolist(), recording.cases.tolist(), strict=True)
    for code, time, case in events:
        draw = float(random.random())
        if draw < rate / 3:
            continue
        if draw < 2 * rate / 3:
            rows.append((int(random.integers(kinds)), time, -1))
        rows.append((code, time, case))
        if 2 * rate / 3 <= draw < rate and len(rows) > 1:
            rows[-1], rows[-2] = rows[-2], rows[-1]
    codes, times, cases = zip(*rows, strict=True)
    return Recording(recording.name, np.array(codes), np.maximum.accumulate(np.array(times)), np.array(cases))
