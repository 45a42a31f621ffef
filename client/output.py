"""What the command line shows: tables for people, JSON for programs; what came from outside is never markup."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.importers.drafts import Fault
from client.problems import FloyoProblem
from client.uploading import Summary

# All control characters but line breaks and tabs, and those that turn the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
out = Console()
err = Console(stderr=True)
_SHOWN_FAULTS = 20


def as_json(value: Any) -> None:
    """One JSON document."""
    _print(json.dumps(value, ensure_ascii=False, indent=2, default=vars))


def line(value: Any) -> None:
    """One line of newline-delimited JSON, at once."""
    _print(json.dumps(value, ensure_ascii=False))


def _print(text: str) -> None:
    """Print, and end quietly when the reader has seen enough, as in `floyo events --json | head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What is left in the buffer must not make the interpreter complain when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def plain(value: object) -> str:
    """A text from outside without what a terminal would obey."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", str(value))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table, or a sentence when there is nothing to show."""
    grid = Table(title=title, title_justify="left", header_style="bold", row_styles=["", "dim"])
    for column in columns:
        grid.add_column(column, overflow="fold", justify="right" if column in _NUMERIC else "left")
    for row in rows:
        grid.add_row(*(Text(cell(value)) for value in row))
    if grid.row_count:
        out.print(grid)
    else:
        out.print(f"No {title.lower()} yet.")


_NUMERIC = frozenset({"support", "confidence", "min/week", "steps", "attempts", "version"})


def fields(title: str, item: Mapping[str, Any]) -> None:
    """One thing, a line for each of its fields."""
    grid = Table(title=title, title_justify="left", show_header=False, box=None)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in item.items():
        nested = isinstance(value, dict | list)
        grid.add_row(
            Text(name), Text(plain(json.dumps(value, ensure_ascii=False, indent=2)) if nested else cell(value))
        )
    out.print(grid)


def cell(value: Any) -> str:
    """A value as a text that fits a cell."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def step(value: Any) -> str:
    """A pattern's step in a few words."""
    if not isinstance(value, dict):
        return str(value)
    kind = ".".join(str(value[name]) for name in ("source", "type") if value.get(name))
    return " ".join(part for part in (kind, str(value.get("subject") or "")) if part)


def problem(problem: FloyoProblem, *, machine: bool) -> None:
    """A problem on the error stream."""
    if machine:
        document = {"type": problem.slug, "status": problem.status, "detail": problem.detail, "errors": problem.errors}
        print(json.dumps(document, ensure_ascii=False), file=sys.stderr)
        return
    err.print(Text.assemble((problem.slug, "bold red"), f": {plain(problem.detail)}"))
    for fault in problem.errors:
        err.print(Text(plain(f"  {fault.get('pointer', '')}: {fault.get('detail', '')}")))
    if problem.slug in {"unauthorized", "http-401", "token-expired", "invalid-token"} or problem.status == 401:
        err.print("Log in with: floyo login")


def imported(summary: Summary, faults: Sequence[Fault], unread: int, *, machine: bool) -> None:
    """What an import did, and what of the source was left out and why."""
    if machine:
        listed = [vars(fault) for fault in faults]
        as_json(
            {**vars(summary), "refused": [vars(item) for item in summary.refused], "unread": unread, "faults": listed}
        )
        return
    out.print(
        f"{summary.read:,} events read: {summary.accepted:,} accepted, {summary.duplicates:,} known already, "
        f"{summary.rejected:,} rejected."
    )
    for item in summary.refused[:_SHOWN_FAULTS]:
        out.print(Text(plain(f"  event {item.index} ({item.id or 'no id'}): {item.type}: {item.detail}")))
    if summary.rejected > _SHOWN_FAULTS:
        out.print(f"  … and {summary.rejected - _SHOWN_FAULTS:,} more")
    if unread:
        out.print(f"{unread:,} records of the source are no events:")
    for fault in faults[:_SHOWN_FAULTS]:
        out.print(Text(plain(f"  {fault.place}: {fault.reason}")))
    if unread > _SHOWN_FAULTS:
        out.print(f"  … and {unread - _SHOWN_FAULTS:,} more")
