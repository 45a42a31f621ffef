"""Shell histories: bash with and without times, zsh extended and plain, fish; secrets are masked."""

import getpass
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Literal

from client import masking
from client.importers import commands, drafts, reading, times
from client.importers.drafts import Event, Fault, Numbering, Report

Dialect = Literal["bash", "zsh", "fish", "plain"]
GUESSED_GAP = timedelta(seconds=30)
_MOST_SECRETS = 10_000
_BASH_TIME = re.compile(r"^#(\d{9,11})$")
_ZSH_TIME = re.compile(r"^: (\d{9,11}):(\d+);")
_FISH_COMMAND = "- cmd: "
_NAMES = re.compile(r"history|_hist\b|histfile", re.IGNORECASE)


@dataclass
class Entry:
    """One command of a history; `time` is None where the history keeps none."""

    command: str
    time: datetime | None
    line: int
    data: dict[str, object] = field(default_factory=dict)


def detect(path: Path, beginning: str) -> Dialect | None:
    """The dialect of a history, None when the file does not look like one."""
    lines = beginning.splitlines()[:50]
    if any(_ZSH_TIME.match(line) for line in lines):
        return "zsh"
    if any(line.startswith(_FISH_COMMAND) for line in lines):
        return "fish"
    if any(_BASH_TIME.match(line) for line in lines):
        return "bash"
    return "plain" if _NAMES.search(path.name) else None


def read(
    path: Path, *, actor: str | None = None, dialect: Dialect | None = None, report: Report = drafts.ignore
) -> Iterator[Event]:
    """Events of a history, oldest first; `actor` is the user of this machine unless it is given.

    The file is read twice, for a password that is named as one on a late line must not leave on an early one.
    Where no times are kept they are counted back from the file's last change, half a minute a command, and
    `data.time_estimated` says so.
    """
    who = actor or getpass.getuser()
    chosen = dialect or detect(path, reading.head(path)) or "plain"
    secrets, count = _survey(path, chosen)
    last = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    known, guessed = Numbering(), Numbering(timeless=True)
    for index, entry in enumerate(_entries(path, chosen, report)):
        data: dict[str, object] = {"shell": chosen, **entry.data}
        if entry.time is None:
            data["time_estimated"] = True
        moment = entry.time or (last - GUESSED_GAP * (count - 1 - index)).replace(microsecond=0)
        found = commands.event("shell", entry.command, moment, actor=who, secrets=secrets, data=data)
        if found:
            yield (known if entry.time else guessed).give(found)


def _survey(path: Path, dialect: Dialect) -> tuple[set[str], int]:
    """Every value that is named as a secret somewhere, and the number of entries."""
    found: set[str] = set()
    count = 0
    for entry in _entries(path, dialect, drafts.ignore):
        count += 1
        if len(found) < _MOST_SECRETS:
            masking.mask(entry.command, found)
    return found, count


def _entries(path: Path, dialect: Dialect, report: Report) -> Iterator[Entry]:
    with reading.open_bytes(path) as raw:
        lines = (_decoded(line, dialect) for line in raw)
        yield from _PARSERS[dialect](lines, report)


def _decoded(line: bytes, dialect: Dialect) -> str:
    line = line.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf")
    if dialect == "zsh":
        line = _unmetafied(line)
    return line.decode(errors="replace")


def _unmetafied(line: bytes) -> bytes:
    """zsh writes some bytes as 0x83 followed by the byte with one bit turned."""
    return re.sub(rb"\x83(.)", lambda match: bytes([match[1][0] ^ 0x20]), line, flags=re.DOTALL)


def _bash(lines: Iterable[str], report: Report) -> Iterator[Entry]:
    """Each command stands below its time, and may go on over lines until the next one."""
    entry: Entry | None = None
    for number, line in enumerate(lines, 1):
        stamp = _BASH_TIME.match(line)
        if stamp:
            if entry and entry.command:
                yield entry
            entry = Entry("", _moment(stamp[1], number, report), number)
        elif entry is None:
            if line.strip():
                yield Entry(line, None, number)
        else:
            entry.command += ("\n" if entry.command else "") + line
    if entry and entry.command:
        yield entry


def _zsh(lines: Iterable[str], report: Report) -> Iterator[Entry]:
    for number, line in _joined(lines):
        stamp = _ZSH_TIME.match(line)
        if not stamp:
            if line.strip():
                yield Entry(line, None, number)
            continue
        seconds = int(stamp[2])
        data: dict[str, object] = {"duration_seconds": seconds} if seconds else {}
        yield Entry(line[stamp.end() :], _moment(stamp[1], number, report), number, data)


def _joined(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines whose end is a backslash go on in the next."""
    whole, begun = "", 1
    for number, line in enumerate(lines, 1):
        begun = begun if whole else number
        if line.endswith("\\") and not line.endswith("\\\\"):
            whole += line[:-1] + "\n"
            continue
        yield begun, whole + line
        whole = ""
    if whole:
        yield begun, whole


def _fish(lines: Iterable[str], report: Report) -> Iterator[Entry]:
    """Looks like YAML, but commands are not quoted: only backslashes and line breaks are escaped."""
    entry: Entry | None = None
    for number, line in enumerate(chain(lines, [_FISH_COMMAND]), 1):
        if line.startswith(_FISH_COMMAND):
            if entry:
                yield entry
            command = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], line[len(_FISH_COMMAND) :])
            entry = Entry(command, None, number) if command else None
        elif entry and line.startswith("  when: "):
            entry.time = _moment(line.partition(":")[2].strip(), number, report)


def _plain(lines: Iterable[str], _report: Report) -> Iterator[Entry]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield Entry(line, None, number)


def _moment(digits: str, line: int, report: Report) -> datetime | None:
    try:
        return times.from_epoch(float(digits))
    except ValueError:
        report(Fault(f"line {line}", f"{digits!r} is no time"))
        return None


_PARSERS: dict[Dialect, Callable[[Iterable[str], Report], Iterator[Entry]]] = {
    "bash": _bash, "zsh": _zsh, "fish": _fish, "plain": _plain,
}  # fmt: skip


def default_history(environment: dict[str, str] | None = None) -> Path | None:
    """The history of this user's shell, if one is where it usually is."""
    known = dict(os.environ) if environment is None else environment
    home = Path(known.get("HOME", "~")).expanduser()
    usual = (".zsh_history", ".bash_history", ".local/share/fish/fish_history", ".histfile")
    candidates = [Path(known["HISTFILE"])] if known.get("HISTFILE") else []
    return next((path for path in [*candidates, *(home / name for name in usual)] if path.is_file()), None)
