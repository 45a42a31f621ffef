"""Notices: where an alert can be told, in a channel of a chat or by mail, and what it says there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from services.events.mining import catalogue
from services.events.mining.activity import Activities
from services.events.mining.catalogue import Action
from services.events.mining.inference import Flat
from services.events.mining.symbols import Token

STEP = "alert"
NO_CHANNEL = "alert_channel set in the settings of patterns"
_CHANNEL = re.compile(r"#[\w-]{1,80}|[CG][A-Z0-9]{8,}")
_ADDRESS = re.compile(r"[^\s@<>\"(),:;\\\[\]]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_ABOUT = {"event.actor": "by {{ event.actor }}", "event.subject": "about {{ event.subject }}"}

Posts = Counter[tuple[str | None, str]]


def ways(title: str, text: str, befores: Sequence[Flat], channel: str | None) -> list[dict[str, Any]]:
    """[{step, app, connector, action, input}]: the alert as a message in a channel and, where people are known by
    their addresses, as a mail to who did what came before; the first that an organisation has connected is for it.

    text: all up to the time of what came before; befores: such events, flattened. A message without a channel `lacks`
    one.
    """
    details = [words for path, words in _ABOUT.items() if all(flat.get(path) for flat in befores)]
    whole = f"{', '.join([f'{text} {{{{ event.time }}}}', *details])}."
    chat = {} if channel is None else {"channel": channel}
    found = [_way(catalogue.SLACK, {**chat, "text": whole}, lacks=None if channel else NO_CHANNEL)]
    if all(_ADDRESS.fullmatch(str(flat.get("event.actor"))) for flat in befores):
        found.append(_way(catalogue.MAIL, {"to": ["{{ event.actor }}"], "subject": title, "text": whole}))
    return found


def _way(by: Action, content: dict[str, Any], lacks: str | None = None) -> dict[str, Any]:
    way = {"step": STEP, "app": by.app, "connector": by.connector, "action": by.action, "input": content}
    return {**way, "lacks": lacks} if lacks else way


def posts(log: Activities) -> Posts:
    """How often each person has posted in each channel of a chat."""
    kinds = set(zip(log.sources, log.types, strict=True))
    posting = {kind for kind in kinds if catalogue.entry(Token(*kind)).by is catalogue.SLACK}
    rows = zip(log.sources, log.types, log.actors, log.subjects, strict=True) if posting else ()
    return Counter(
        (actor, subject)
        for source, kind, actor, subject in rows
        if (source, kind) in posting and subject and _CHANNEL.fullmatch(subject)
    )


def channel(known: Posts, people: Collection[str | None]) -> str | None:
    """Where these people have posted most often, the first by name among equals."""
    counts: Counter[str] = Counter()
    for (actor, name), count in known.items():
        if actor in people:
            counts[name] += count
    return min(counts, key=lambda name: (-counts[name], name), default=None)
