"""import git|shell|csv|…: reads a source and sends its events; the same import again adds nothing."""

import getpass
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from client import uploading
from client.commands.options import AsJson, floyo
from client.importers import activitywatch, columns, drafts, git, reading, shell, tables, times, xes
from client.importers.drafts import Event, Fault, Unreadable
from client.output import err, imported
from client.problems import FloyoProblem
from client.uploading import Summary

app = typer.Typer(no_args_is_help=True, help="Import what this machine already knows; importing again adds nothing.")
Source = Annotated[Path, typer.Argument(exists=True, help="What to read; files may be gzipped.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and count, send nothing.")]
_MOST_FAULTS = 1_000
_FEWEST_COLUMNS = 2


class _Faults:
    """Counts what could not be read, and keeps the first thousand."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Fault] = []

    def __call__(self, fault: Fault) -> None:
        self.count += 1
        if len(self.kept) < _MOST_FAULTS:
            self.kept.append(fault)


@app.command("git")
def import_git(
    context: typer.Context,
    *,
    path: Source = Path(),
    actor: Annotated[str, typer.Option(help="Authors as `name` (before the @), `email` or `hash`.")] = "name",
    since: Annotated[str | None, typer.Option(help="Only commits after this date, as git reads it.")] = None,
    dry_run: DryRun = False,
    machine: AsJson = False,
) -> None:
    """The commits of a repository, and each file they changed."""
    style: git.ActorStyle
    if actor == "name":
        style = "name"
    elif actor == "email":
        style = "email"
    elif actor == "hash":
        style = "hash"
    else:
        raise typer.BadParameter("Must be name, email or hash.", param_hint="--actor")
    _run(context, lambda report: git.read(path, actor=style, since=since, report=report), dry_run, machine)


@app.command("shell")
def import_shell(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="Your history if left out.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who typed it; the user of this machine if left out.")] = None,
    dry_run: DryRun = False,
    machine: AsJson = False,
) -> None:
    """The commands of a bash, zsh or fish history; passwords, tokens and keys are masked before they leave."""
    path = file or shell.default_history()
    if path is None:
        raise typer.BadParameter("There is no history where it usually is; name the file.", param_hint="FILE")
    beginning = reading.head(path)
    table = len(tables.headers(beginning)) > _FEWEST_COLUMNS and not shell.detect(path, beginning)
    options = tables.Options(actor=actor)

    def read(report: drafts.Report) -> Iterator[Event]:
        return tables.read(path, options, report) if table else shell.read(path, actor=actor, report=report)

    _run(context, read, dry_run, machine)


@app.command("csv")
def import_csv(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A table with column names; .gz too.")],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", "-m", help="FIELD=COLUMN[+COLUMN…] for time, type, source, actor, subject, id."),
    ] = None,
    source: Annotated[str | None, typer.Option(help="The source of all events.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who did it where no column says.")] = None,
    zone: Annotated[str, typer.Option(help="The zone of times that name none, such as Europe/Oslo.")] = "UTC",
    time_format: Annotated[str | None, typer.Option(help="How times are written, as strptime reads it.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="What stands between columns; found out if left out.")] = None,
    dry_run: DryRun = False,
    machine: AsJson = False,
) -> None:
    """The rows of a table; columns are recognised by their usual names, or told by --map."""
    try:
        told = columns.parse(mapping or [])
        options = tables.Options(told, source, actor, times.zone(zone), time_format, delimiter)
    except Unreadable as error:
        raise typer.BadParameter(str(error)) from None
    _run(context, lambda report: tables.read(file, options, report), dry_run, machine)


@app.command("uilog")
def import_uilog(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A recorder's table of actions; .gz too.")],
    actor: Annotated[str | None, typer.Option(help="Who worked, where no column says.")] = None,
    zone: Annotated[str, typer.Option(help="The zone of times that name none, such as Europe/Oslo.")] = "UTC",
    dry_run: DryRun = False,
    machine: AsJson = False,
) -> None:
    """A recording of a user interface: clicks and edits by application and place, with no need of cases."""
    try:
        options = tables.Options(actor=actor or getpass.getuser(), zone=times.zone(zone))
    except Unreadable as error:
        raise typer.BadParameter(str(error)) from None
    _run(context, lambda report: tables.read(file, options, report), dry_run, machine)


@app.command("xes")
def import_xes(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An event log of a process; .gz too.")],
    actor: Annotated[str | None, typer.Option(help="Who did it where no event says.")] = None,
    dry_run: DryRun = False,
    machine: AsJson = False,
) -> None:
    """The events of a log in XES, the format of process mining."""
    _run(context, lambda report: xes.read(file, actor=actor, report=report), dry_run, machine)


@app.command("activitywatch")
def import_activitywatch(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Exported buckets as JSON; .gz too.")],
    actor: Annotated[str | None, typer.Option(help="Whose activity it is; the machine's name if left out.")] = None,
    dry_run: DryRun = False,
    machine: AsJson = False,
) -> None:
    """Windows, pages, edited files and presence, as ActivityWatch has recorded them."""
    _run(context, lambda report: activitywatch.read(file, actor=actor, report=report), dry_run, machine)


def _run(
    context: typer.Context, read: Callable[[drafts.Report], Iterator[Event]], dry_run: bool, machine: bool
) -> None:
    faults, summary = _Faults(), Summary()
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=err, transient=True, disable=machine or not err.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("Reading …", total=None)
        try:
            if dry_run:
                summary.read = sum(1 for _ in read(faults))
            else:
                uploading.upload(
                    floyo(context), read(faults), summary=summary, progress=lambda so_far: _tell(bar, task, so_far)
                )
        except Unreadable as error:
            raise FloyoProblem("unreadable", str(error)) from None
        except FloyoProblem:
            if summary.read:
                err.print(f"Stopped after {summary.read:,} events; run it again, nothing is recorded twice.")
            raise
    imported(summary, faults.kept, faults.count, machine=machine)
    if summary.rejected:
        raise typer.Exit(1)


def _tell(bar: Progress, task: Any, so_far: Summary) -> None:
    known = f", {so_far.duplicates:,} known" if so_far.duplicates else ""
    bar.update(task, description=f"{so_far.read:,} events, {so_far.accepted:,} accepted{known}")
