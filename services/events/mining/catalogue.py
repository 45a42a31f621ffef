"""What a person's step becomes in a workflow: one table, from kinds of events to steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from services.events.mining.tokens import Token


@dataclass(frozen=True)
class Entry:
    """Events whose "source type" reads like `matches` are `does`; with the connector present they become its action.

    inputs: the action's input fields, each with the paths below the event to take it from, the first present first;
    done: whether a workflow that does it spares somebody the step, and does not merely note that it was done.
    """

    matches: str
    does: str
    connector: str | None = None
    action: str | None = None
    inputs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    done: bool = True


MESSAGE = (("channel", ("subject", "data.channel")), ("text", ("data.text", "data.message", "data.title")))
MAIL = (
    ("to", ("data.to", "data.recipient")),
    ("subject", ("subject", "data.title")),
    ("text", ("data.text", "data.body")),
)
FILE = (("path", ("subject", "data.path", "data.file")), ("content", ("data.content", "data.text")))

CATALOGUE: tuple[Entry, ...] = (
    Entry(r"\b(slack)\b.*\b(message|post|thread)", "post the message", "slack", "post_message", MESSAGE),
    Entry(r"\b(mail|email|smtp|gmail|outlook)\b.*\b(sent|send|forward|repl)", "write the mail", "email", "send", MAIL),
    Entry(r"\b(message|chat|thread|comment|announcement)\b.*\b(post|sent|send|creat|add)", "write the message"),
    Entry(r"\b(dropbox|drive|s3)\b.*\b(upload|sav|creat|writ)", "store the file"),
    Entry(
        r"\b(file|document|note|record|row|cell|changelog)\b.*\b(sav|edit|creat|writ|updat|add)",
        "note the change",
        done=False,
    ),
    Entry(r"\b(ticket|issue|task|case)\b.*\b(answer|repl|clos|resolv|comment|updat)", "prepare the answer"),
    Entry(r"\b(view|open|visit|read|load|click|search|select)", "look it up", done=False),
    Entry(r"\b(command|shell|terminal|run|exec)", "note the command", done=False),
    Entry(r"", "record the step", done=False),
)


def entry(token: Token) -> Entry:
    """The first entry that reads like the token."""
    words = re.sub(r"[^a-z0-9]+", " ", f"{token.source} {token.type}".lower())
    return next(one for one in CATALOGUE if re.search(one.matches, words))


def step(token: Token, name: str, parameters: dict[str, Any], integrations: dict[str, str]) -> dict[str, Any]:
    """A valid workflow step.

    parameters: inferred values by path (`subject`, `data.text`); integrations: connector → the integration to use.
    Without a fitting integration, a transform prepares the very content that the person would have typed.
    """
    found = entry(token)
    if found.connector in integrations and found.action:
        sent = {field: _first(parameters, paths) for field, paths in found.inputs}
        if all(sent[field] is not None for field, _ in found.inputs[:2]):
            content = {field: value for field, value in sent.items() if value is not None}
            using = {"integration": integrations[str(found.connector)], "action": found.action, "input": content}
            return {"id": name, "type": "action", "with": using, "timeout": "PT30S"}
    output = {"does": found.does, "source": token.source, "type": token.type, **_nested(parameters)}
    return {"id": name, "type": "transform", "with": {"output": output}}


def _first(parameters: dict[str, Any], paths: tuple[str, ...]) -> Any:
    return next((parameters[path] for path in paths if parameters.get(path) is not None), None)


def _nested(parameters: dict[str, Any]) -> dict[str, Any]:
    data = {path.removeprefix("data."): value for path, value in parameters.items() if path.startswith("data.")}
    plain = {path: value for path, value in parameters.items() if not path.startswith("data.")}
    return {**plain, **({"data": data} if data else {})}
