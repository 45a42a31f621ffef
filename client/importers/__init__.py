"""Reads what machines already know as events: repositories, shell histories, tables, event logs, ActivityWatch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from client.importers import activitywatch, drafts, git, reading, shell, tables, xes
from client.importers.drafts import Event, Report, Unreadable

Kind = Literal["git", "shell", "csv", "xes", "activitywatch"]
_TABLE_COLUMNS = 2


def open_source(
    path: Path | str, *, actor: str | None = None, kind: Kind | None = None, report: Report = drafts.ignore
) -> Iterator[Event]:
    """Events of a repository, a history, a table, an XES log or an export of ActivityWatch, told apart by looking.

    `actor` is for sources that name nobody; records that are no events go to `report`. Raises Unreadable.
    """
    place = Path(path)
    chosen = kind or detect(place)
    if chosen == "git":
        return git.read(place, report=report)
    if chosen == "shell":
        return shell.read(place, actor=actor, report=report)
    if chosen == "xes":
        return xes.read(place, actor=actor, report=report)
    if chosen == "activitywatch":
        return activitywatch.read(place, actor=actor, report=report)
    return tables.read(place, tables.Options(actor=actor), report)


def detect(path: Path) -> Kind:
    """What kind of source this is; raises Unreadable when it is none."""
    if path.is_dir():
        if git.is_repository(path):
            return "git"
        raise Unreadable(f"{path} is a folder, but no git repository.")
    beginning = reading.head(path)
    if xes.detect(beginning):
        return "xes"
    if activitywatch.detect(beginning):
        return "activitywatch"
    if shell.detect(path, beginning) in {"zsh", "fish", "bash"}:
        return "shell"
    if len(tables.headers(beginning)) >= _TABLE_COLUMNS and not shell.detect(path, beginning):
        return "csv"
    if shell.detect(path, beginning):
        return "shell"
    raise Unreadable(
        f"{path} is neither a git repository nor a shell history nor a table with column names nor an XES log "
        "nor an export of ActivityWatch."
    )
