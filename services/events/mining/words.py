"""How steps are said to people: what happens where, and what is to be done about it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.events.mining import catalogue
from services.events.mining.symbols import Token

_SLOT = re.compile(r"\{[a-z]+\}|\*")
_COMMANDS = re.compile(r"\b(command|shell|terminal|cmd)\b")
_LONGEST = 60


def of(token: Token) -> str:
    """A step as something that happens, such as "build failed in github (acme/shop)" or "`make test` in shell"."""
    about = _about(token)
    if _is_command(token) and (about or "." in token.type):
        return f"`{about or token.type.partition('.')[2] + ' …'}` in {token.source}"
    return f"{_name(token)} in {token.source}" + (f" ({about})" if about else "")


def when(token: Token) -> str:
    """The beginning of a title: "When build failed in github" or "After `make test` in shell"."""
    return f"After {of(token)}" if of(token).startswith("`") else f"When {_name(token)} in {token.source}"


def chore(token: Token) -> str:
    """A step as something to be done, such as "post the message for #team (slack)"."""
    about, entry = _about(token), catalogue.entry(token)
    if not entry.done:
        return f"have {of(token)} ready"
    return (
        entry.does + (f" for {about}" if about and not _SLOT.search(token.subject or "") else "") + f" ({token.source})"
    )


def chores(tokens: Sequence[Token]) -> str:
    """What is to be done, the last step for all where a workflow does it."""
    if len(tokens) > 1 and not catalogue.entry(tokens[-1]).done:
        return f"have the next {len(tokens)} steps ready, up to {of(tokens[-1])}"
    return chore(tokens[-1])


def span(seconds: float) -> str:
    """Such as "45 seconds", "12 minutes" or "1.5 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def minutes(number: float) -> str:
    """Such as "12.5 minutes" or "under 0.1 minutes"."""
    return "under 0.1 minutes" if number < 0.1 else f"{number:.1f} minutes"


def _name(token: Token) -> str:
    return re.sub(r"[^\w]+|_", " ", token.type).strip()


def _about(token: Token) -> str:
    """The subject with dots for what changes, empty where nothing else is left of it."""
    text = _SLOT.sub("…", token.subject or "").strip()
    if not re.search(r"\w", text):
        return ""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _is_command(token: Token) -> bool:
    return bool(_COMMANDS.search(re.sub(r"[^a-z0-9]+", " ", f"{token.source} {token.type}".lower())))
