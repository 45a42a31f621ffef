"""mine, apply, dismiss, run, cancel, live: what changes something, and watching it change."""

import json
from typing import Annotated, Any

import typer
from rich.text import Text

from client.commands.options import AsJson, floyo
from client.output import as_json, fields, line, out, plain

Id = Annotated[str, typer.Argument(show_default=False)]
CHANNELS = ("events", "suggestions", "runs")


def mine(context: typer.Context, machine: AsJson = False) -> None:
    """Look for patterns now instead of at the next round."""
    answer = floyo(context).patterns.mine()
    if machine:
        as_json(answer)
    else:
        out.print("Looking for patterns; see: floyo patterns")


def apply(context: typer.Context, id: Id, machine: AsJson = False) -> None:  # noqa: A002
    """Make a suggestion into a workflow; doing it again answers the same workflow."""
    applied = floyo(context).suggestions.apply(id)
    if machine:
        as_json(applied)
    else:
        out.print(f"Workflow {applied['workflow_id']}")


def dismiss(context: typer.Context, id: Id, machine: AsJson = False) -> None:  # noqa: A002
    """Do not propose a suggestion again."""
    floyo(context).suggestions.dismiss(id)
    if machine:
        as_json({"id": id, "status": "dismissed"})
    else:
        out.print("Dismissed.")


def run(
    context: typer.Context,
    *,
    workflow: Annotated[str, typer.Argument(help="The workflow's id.", show_default=False)],
    given: Annotated[str, typer.Option("--input", "-i", help="The run's input as JSON.")] = "null",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Rehearse it: nothing outside is touched.")] = False,
    version: Annotated[int | None, typer.Option(min=1, help="Not the present version, but this one.")] = None,
    wait: Annotated[int, typer.Option(min=0, max=60, help="Seconds to wait for its end.")] = 30,
    machine: AsJson = False,
) -> None:
    """Start a run; exit status 1 if it ended without success."""
    try:
        value = json.loads(given)
    except ValueError as error:
        raise typer.BadParameter(f"Is no JSON: {error}.", param_hint="--input") from None
    started = floyo(context).runs.start(workflow, value, dry_run=dry_run, version=version, wait=wait or None)
    if machine:
        as_json(started)
    else:
        fields("Run", started)
    if started["status"] in {"failed", "cancelled"}:
        raise typer.Exit(1)


def cancel(context: typer.Context, id: Id, machine: AsJson = False) -> None:  # noqa: A002
    """Stop a run."""
    answer = floyo(context).runs.cancel(id)
    if machine:
        as_json(answer)
    else:
        out.print("Cancelled.")


def live(
    context: typer.Context,
    channels: Annotated[list[str] | None, typer.Argument(help="events, suggestions, runs; all if left out.")] = None,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="Stop after so many messages.")] = None,
    after: Annotated[list[str] | None, typer.Option(help="CHANNEL=POSITION to go on from.")] = None,
    machine: AsJson = False,
) -> None:
    """Watch what happens, until interrupted; with --json a line for each message."""
    wanted = channels or list(CHANNELS)
    if unknown := set(wanted) - set(CHANNELS):
        raise typer.BadParameter(f"There is no channel {unknown.pop()!r}.", param_hint="CHANNELS")
    known = dict(pair.split("=", 1) for pair in after or [] if "=" in pair)
    seen = 0
    try:
        for message in floyo(context).live(wanted, known):
            _show(message, machine)
            seen += message["type"] == "message"
            if count and seen >= count:
                return
    except KeyboardInterrupt:
        return


def _show(message: Any, machine: bool) -> None:
    if machine:
        line(message)
        return
    data = message.get("data") or {}
    if message["type"] == "subscribed":
        out.print(Text(f"Watching {message['channel']} …", style="dim"))
    elif message["type"] == "reset":
        out.print(Text(f"Some {message['channel']} were missed.", style="yellow"))
    elif message["type"] == "message":
        named = [data.get(name) for name in ("actor", "source", "type", "title", "status", "subject", "id")]
        words = plain(" ".join(str(word) for word in named if word))
        out.print(Text.assemble((f"{plain(message['channel']):<12}", "bold"), words))
