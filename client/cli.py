"""The `floyo` command: `python -m client`. Exit status 0 is success, 1 a problem, 2 a wrong use."""

import sys
from typing import Annotated

import typer

from client import output, tracking
from client.commands import acting, imports, listing, recording, session
from client.commands.options import Target
from client.problems import FloyoProblem

app = typer.Typer(
    name="floyo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Talk to Floyo: import what you did, see what repeats, automate it.",
    epilog="FLOYO_URL and FLOYO_TOKEN name the Floyo and the key; `floyo login` keeps credentials instead.",
)
app.add_typer(imports.app, name="import")
for command in (
    session.login, session.logout, session.whoami,
    listing.events, listing.patterns, listing.suggestions, listing.workflows, listing.runs,
    acting.mine, acting.apply, acting.dismiss, acting.run, acting.cancel, acting.live,
    recording.watch, recording.track, recording.flush,
):  # fmt: skip
    app.command()(command)


@app.callback()
def target(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(envvar="FLOYO_URL", help="Where Floyo is.")] = None,
    token: Annotated[str | None, typer.Option(envvar="FLOYO_TOKEN", help="An API key.", show_envvar=True)] = None,
) -> None:
    """Talk to Floyo: import what you did, see what repeats, automate it."""
    context.obj = Target(url, token)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and answer its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["track"] and given[1:] != ["--help"]:
        return tracking.main(given[1:])
    try:
        app(given, prog_name="floyo")
    except FloyoProblem as problem:
        output.problem(problem, machine="--json" in given)
        return 1
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    return 0
