"""Reads files of the kinds that mining quality is judged on: commits, shell histories, screen recordings."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Commit = tuple[str, float, list[str]]
USERS = ("user", "userID", "sandbox", "actor", "session", "host")
COMMANDS = ("cmd", "command")
CONTEXT = ("eventType", "targetApp", "source", "Label", "Column", "FileName", "Url", "target.name", "target.sheetName")


@dataclass(frozen=True)
class Recording:
    """A screen recording with the true case of each event; arrays of one length."""

    name: str
    codes: NDArray[np.int64]
    times: NDArray[np.float64]
    cases: NDArray[np.int64]


def _text(path: Path) -> io.StringIO:
    raw = path.read_bytes()
    return io.StringIO((gzip.decompress(raw) if path.suffix == ".gz" else raw).decode(errors="replace"), newline="")


def histories(folder: Path) -> Iterator[tuple[str, list[Commit]]]:
    """Repositories as commits (author, seconds, paths), oldest first, from git/*.tsv(.gz)."""
    for path in sorted(folder.glob("git/*.tsv*")):
        commits: dict[int, Commit] = {}
        for row in csv.DictReader(_text(path), delimiter="\t", quoting=csv.QUOTE_NONE):
            number = int(row["commit_no"])
            commits.setdefault(number, (row["author"], float(row["author_time"]), []))[2].append(row["path"])
        yield path.name.split(".")[0], [commits[number] for number in sorted(commits)]


def shells(folder: Path) -> Iterator[tuple[str, list[tuple[str, float, str]]]]:
    """Histories as (user, seconds, command line) in time: shell/*.csv(.gz), or one file a user, a line a command."""
    plain: list[tuple[str, float, str]] = []
    for path in sorted((folder / "shell").glob("*")) if (folder / "shell").is_dir() else []:
        if ".csv" in path.name:
            rows = list(csv.DictReader(_text(path)))
            user = next(name for name in USERS if name in rows[0])
            command = next(name for name in COMMANDS if name in rows[0])
            rows.sort(key=lambda row: row["timestamp"])
            yield path.name.split(".")[0], [(row[user], _seconds(row["timestamp"]), row[command] or "") for row in rows]
        elif path.is_file():
            lines = _text(path).read().splitlines()
            plain += [(path.name, float(number), line) for number, line in enumerate(lines) if line]
    if plain:
        yield "lines", plain


def recordings(folder: Path) -> Iterator[Recording]:
    """Recordings with their cases, from ui_logs/*_segmented.csv."""
    for path in sorted(folder.glob("ui_logs/*_segmented.csv")):
        rows = list(csv.DictReader(_text(path)))
        names: dict[tuple[str, ...], int] = {}
        codes = [names.setdefault(_action(row), len(names)) for row in rows]
        times = np.array([_seconds(row["timeStamp"]) for row in rows])
        yield Recording(path.name.split("_")[0], np.array(codes), times, np.array([int(row["caseID"]) for row in rows]))


def _action(row: dict[str, str]) -> tuple[str, ...]:
    """What was done to what: not with which value, nor in which row."""
    place = row.get("target.id") or ""
    in_sheet = row.get("targetApp") == "Excel"
    words = row.get("target.innerText") or "" if "utton" in row["eventType"] else ""
    return (*(row.get(name) or "" for name in CONTEXT), place.rstrip("0123456789") if in_sheet else place, words)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


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
