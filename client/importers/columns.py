"""Which column of a table means what: told by `--map`, or by the names that such columns usually have."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from client.importers.drafts import Unreadable

FIELDS = ("time", "type", "source", "actor", "subject", "id")
# Names without case and punctuation, the most telling first.
_USUAL: dict[str, Sequence[str]] = {
    "time": (
        "time", "timestamp", "datetime", "eventtime", "timecreated", "createdat", "occurredat", "recordedat",
        "authortime", "completetimestamp", "timetimestamp", "starttime", "starttimestamp", "startedat", "when", "date",
        "ts", "created",
    ),
    "type": (
        "type", "eventtype", "event", "activity", "conceptname", "action", "operation", "eventname", "activityname",
        "verb", "task", "kind", "cmdtype", "name",
    ),
    "source": ("source", "targetapp", "application", "app", "system", "tool", "origin", "service", "program"),
    "actor": (
        "actor", "user", "userid", "username", "useremail", "email", "resource", "orgresource", "author",
        "employee", "person", "operator", "agent", "member", "owner", "who", "sandbox", "sandboxid",
    ),
    "subject": (
        "subject", "target", "object", "path", "filepath", "resourcename", "document", "page", "title", "cmd",
        "command",
    ),
    # A bare `id` may as well be that of a case or a user, and rows that share it would be taken for one event.
    "id": ("eventid", "externalid", "messageid"),
}  # fmt: skip
# Recordings of user interfaces tell in several columns where something happened; their values differ by row.
_PLACE_PARTS = (
    "workbookname", "filename", "file", "sheetname", "sheet", "url", "label", "elementid", "controlname",
    "fieldname", "column",
)  # fmt: skip
# Training platforms number their sandboxes anew in each pool of each game.
_NUMBERED_WITHIN = {"sandbox": ("game", "pool"), "sandboxid": ("game", "pool")}
_TARGET_PARTS = ("targetworkbookname", "targetsheetname", "targetname", "targetid")


@dataclass(frozen=True)
class Meaning:
    """For each field of an event the columns that make it, joined by spaces."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def value(self, name: str, row: Mapping[str, str]) -> str:
        """The field's text in this row, empty when it has none."""
        return " ".join(text for column in self.columns.get(name, ()) if (text := row.get(column, "").strip()))

    @property
    def used(self) -> frozenset[str]:
        """The columns that are fields, and so not part of `data`."""
        return frozenset(column for columns in self.columns.values() for column in columns)


def parse(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`--map time=When,subject=Url+Label` and its repetitions; raises Unreadable and names what is wrong."""
    found: dict[str, tuple[str, ...]] = {}
    for pair in (part for text in pairs for part in text.split(",") if part.strip()):
        name, sign, columns = pair.partition("=")
        if not sign or not columns.strip():
            raise Unreadable(f"A mapping is written FIELD=COLUMN, not {pair!r}.")
        if name.strip() not in FIELDS:
            raise Unreadable(f"There is no field {name.strip()!r} to map; the fields are {', '.join(FIELDS)}.")
        found[name.strip()] = tuple(column.strip() for column in columns.split("+"))
    return found


def detect(headers: Sequence[str], told: Mapping[str, Sequence[str]] | None = None) -> Meaning:
    """The columns' meaning; raises Unreadable when a told column is missing, or time or type cannot be found."""
    given = told or {}
    for column in (column for columns in given.values() for column in columns):
        if column not in headers:
            raise Unreadable(f"There is no column {column!r}; the columns are {_listed(headers)}.")
    columns = {name: tuple(parts) for name, parts in given.items()}
    taken = {column for parts in columns.values() for column in parts}
    by_name: dict[str, str] = {}
    for header in headers:
        if header not in taken:
            by_name.setdefault(_plain(header), header)
    for name in FIELDS:
        if name not in columns and (parts := _find(name, by_name)):
            columns[name] = parts
    for name in ("time", "type"):
        if name not in columns:
            raise Unreadable(
                f"No column looks like the {name} of an event; the columns are {_listed(headers)}. "
                f"Name it: --map {name}=COLUMN."
            )
    return Meaning(columns)


def _find(name: str, by_name: dict[str, str]) -> tuple[str, ...]:
    if name == "subject" and "subject" not in by_name:
        parts = [by_name.pop(part) for part in (*_TARGET_PARTS, *_PLACE_PARTS) if part in by_name]
        if parts:
            return tuple(parts)
    usual = next((usual for usual in _USUAL[name] if usual in by_name), None)
    if usual is None:
        return ()
    around = [by_name.pop(part) for part in _NUMBERED_WITHIN.get(usual, ()) if part in by_name]
    return (*around, by_name.pop(usual))


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]", "", header.lower())


def _listed(headers: Sequence[str]) -> str:
    return ", ".join(headers[:30])
