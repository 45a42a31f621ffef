"""What a person's step becomes in a workflow: one table, from kinds of events to steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from services.events.mining.symbols import Token


@dataclass(frozen=True)
class Input:
    """A field of an action's input, with the paths below the event to take it from, the first present first.

    many: whether the action takes a list of them; needed: whether the action is nothing without it.
    """

    name: str
    paths: tuple[str, ...]
    many: bool = False
    needed: bool = True


@dataclass(frozen=True)
class Action:
    """What a connector does instead of a person; `app` is what people call the connector."""

    app: str
    connector: str
    action: str
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class Entry:
    """Events whose "source type" reads like `matches` are `does`, which `by` can do where its connector is connected.

    done: whether a workflow that does it spares somebody the step, and does not merely note that it was done.
    """

    matches: str
    does: str
    by: Action | None = None
    done: bool = True


_TEXT = Input("text", ("data.text", "data.content", "data.body", "data.message"))
SLACK = Action("Slack", "slack", "post_message", (
    Input("channel", ("subject", "data.channel")),
    Input("text", ("data.text", "data.message", "data.title")),
    Input("thread_ts", ("data.thread_ts",), needed=False),
))  # fmt: skip
MAIL = Action("your mail server", "email", "send", (
    Input("to", ("data.to", "data.recipient"), many=True),
    Input("subject", ("subject", "data.title")),
    _TEXT,
))  # fmt: skip
COMMENT = Action("GitHub", "github", "comment", (
    Input("owner", ("data.owner",)), Input("repo", ("data.repo",)),
    Input("number", ("data.number", "data.issue")), Input("body", ("data.body", "data.text", "data.comment")),
))  # fmt: skip
ISSUE = Action("GitHub", "github", "create_issue", (
    Input("owner", ("data.owner",)), Input("repo", ("data.repo",)),
    Input("title", ("data.title", "subject")), Input("body", ("data.body", "data.text"), needed=False),
))  # fmt: skip
DROPBOX = Action("Dropbox", "dropbox", "upload", (Input("path", ("subject", "data.path")), _TEXT))
DRIVE = Action("Google Drive", "google_drive", "upload", (Input("name", ("subject", "data.name", "data.file")), _TEXT))
S3 = Action("S3", "s3", "put_object", (Input("key", ("subject", "data.key", "data.path")), _TEXT))

_STORED = r".*\b(upload|sav|creat|writ|add)"
CATALOGUE: tuple[Entry, ...] = (
    Entry(r"\b(slack)\b.*\b(message|post|thread)", "post the message", SLACK),
    Entry(r"\b(mail|email|smtp|gmail|outlook)\b.*\b(sent|send|forward|repl)", "write the mail", MAIL),
    Entry(r"\bgithub\b.*\bcomment", "write the comment", COMMENT),
    Entry(r"\bgithub\b.*\bissues?\b.*\b(open|creat)", "open the issue", ISSUE),
    Entry(r"\b(message|chat|thread|comment|announcement)\b.*\b(post|sent|send|creat|add)", "write the message"),
    Entry(r"\bdropbox\b" + _STORED, "store the file", DROPBOX),
    Entry(r"\bdrive\b" + _STORED, "store the file", DRIVE),
    Entry(r"\bs3\b" + _STORED, "store the file", S3),
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


def step(token: Token, name: str, parameters: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A valid workflow step, and {step, app, connector, action, input} where a connector could do it.

    parameters: inferred values by path (`subject`, `data.text`). The step is a transform that prepares the very content
    that the person would have typed; whoever knows what the organisation has connected turns it into the action.
    """
    found = entry(token)
    output = {"does": found.does, "source": token.source, "type": token.type, **_nested(parameters)}
    content = _content(found.by, parameters) if found.by else None
    told = None
    if found.by and content is not None:
        by = {"app": found.by.app, "connector": found.by.connector, "action": found.by.action}
        told = {"step": name, **by, "input": content}
    return {"id": name, "type": "transform", "with": {"output": output}}, told


def _content(action: Action, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The action's input, None when something that it needs is not known."""
    content: dict[str, Any] = {}
    for field in action.inputs:
        value = next((parameters[path] for path in field.paths if parameters.get(path) is not None), None)
        if value is not None:
            content[field.name] = [value] if field.many and not isinstance(value, list) else value
        elif field.needed:
            return None
    return content


def _nested(parameters: dict[str, Any]) -> dict[str, Any]:
    data = {path.removeprefix("data."): value for path, value in parameters.items() if path.startswith("data.")}
    plain = {path: value for path, value in parameters.items() if not path.startswith("data.")}
    return {**plain, **({"data": data} if data else {})}
