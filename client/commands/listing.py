"""events, patterns, suggestions, workflows, runs: what there is, and one of it by its id."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from client.commands.options import AsJson, Limit, floyo
from client.output import as_json, fields, step, table

Id = Annotated[str | None, typer.Argument(help="Show this one with all it holds.")]


def events(
    context: typer.Context,
    *,
    kind: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    source: Annotated[str | None, typer.Option(help="Only from this source.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this actor.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only about this.")] = None,
    after: Annotated[str | None, typer.Option(help="Only after this time (RFC 3339).")] = None,
    before: Annotated[str | None, typer.Option(help="Only before this time (RFC 3339).")] = None,
    limit: Limit = 20,
    machine: AsJson = False,
) -> None:
    """What happened, newest first."""
    wanted = {"type": kind, "source": source, "actor": actor, "subject": subject, "after": after, "before": before}
    found = floyo(context).events.list(limit=limit, **wanted)
    _show(machine, "Events", found, ("time", "actor", "source", "type", "subject"))


def patterns(
    context: typer.Context,
    id: Id = None,  # noqa: A002
    kind: Annotated[str | None, typer.Option(help="Only sequence, relation, habit or rule.")] = None,
    limit: Limit = 20,
    machine: AsJson = False,
) -> None:
    """What repeats, the most telling first."""
    client = floyo(context)
    if id:
        return _one(machine, "Pattern", client.patterns.get(id))
    found = list(client.patterns.list(limit=limit, kind=kind))
    if machine:
        return as_json(found)
    rows = (
        (item["id"], item["kind"], " → ".join(map(step, item["steps"])), item["support"], item["confidence"],
         item["minutes_per_week"])
        for item in found
    )  # fmt: skip
    return table("Patterns", ("id", "kind", "what", "support", "confidence", "min/week"), rows)


def suggestions(
    context: typer.Context,
    id: Id = None,  # noqa: A002
    status: Annotated[str | None, typer.Option(help="Only open, applied, dismissed or bookmarked.")] = None,
    limit: Limit = 20,
    machine: AsJson = False,
) -> None:
    """What could be automated, the best first."""
    client = floyo(context)
    if id:
        return _one(machine, "Suggestion", client.suggestions.get(id))
    found = list(client.suggestions.list(limit=limit, status=status))
    if machine:
        return as_json(found)
    rows = (
        (item["id"], item["title"], item["reasoning"], item["confidence"], item["minutes_per_week"], item["status"])
        for item in found
    )
    return table("Suggestions", ("id", "title", "why", "confidence", "min/week", "status"), rows)


def workflows(
    context: typer.Context,
    id: Id = None,  # noqa: A002
    limit: Limit = 20,
    machine: AsJson = False,
) -> None:
    """What Floyo does by itself."""
    client = floyo(context)
    if id:
        return _one(machine, "Workflow", client.workflows.get(id))
    return _show(machine, "Workflows", client.workflows.list(limit=limit), ("id", "name", "version", "active"))


def runs(
    context: typer.Context,
    *,
    id: Id = None,  # noqa: A002
    workflow: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None,
    status: Annotated[str | None, typer.Option(help="Only queued, running, waiting, succeeded, failed, …")] = None,
    limit: Limit = 20,
    machine: AsJson = False,
) -> None:
    """What workflows did, newest first; with an id the steps of one run."""
    client = floyo(context)
    if id is None:
        found = client.runs.list(limit=limit, workflow_id=workflow, status=status)
        return _show(machine, "Runs", found, ("id", "workflow_id", "status", "created_at", "finished_at"))
    run = client.runs.get(id)
    if machine:
        return as_json(run)
    fields("Run", {name: value for name, value in run.items() if name != "steps"})
    rows = ((item["id"], item["type"], item["status"], item["attempts"], item["error"]) for item in run["steps"])
    return table("Steps", ("id", "type", "status", "attempts", "error"), rows)


def _one(machine: bool, title: str, item: Any) -> None:
    if machine:
        as_json(item)
    else:
        fields(title, item)


def _show(machine: bool, title: str, found: Iterator[Any], columns: tuple[str, ...]) -> None:
    if machine:
        as_json(list(found))
    else:
        table(title, columns, ([_brief(item.get(column)) for column in columns] for item in found))


def _brief(value: Any) -> Any:
    """Timestamps in the local zone, to the second."""
    if isinstance(value, str) and len(value) >= 20 and value[4:5] == "-" and value[10:11] == "T":
        try:
            return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        except ValueError:
            return value
    return value
