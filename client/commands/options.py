"""Options that many commands share, and the client they lead to."""

from dataclasses import dataclass
from typing import Annotated

import typer

from client.api import Floyo

AsJson = Annotated[bool, typer.Option("--json", help="Answer JSON instead of a table.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]


@dataclass
class Target:
    """Which Floyo is meant, and as whom."""

    url: str | None = None
    token: str | None = None

    def open(self) -> Floyo:
        """A client for it."""
        return Floyo.from_environment(self.url, self.token)


def floyo(context: typer.Context) -> Floyo:
    """The client of this invocation, closed when the command ends."""
    target = context.find_object(Target) or Target()
    return context.with_resource(target.open())
