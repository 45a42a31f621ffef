"""Infers a step's parameters from examples: what stays constant, and what repeats a value of the first event."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from services.events.mining.redaction import MASK, name_secrets, redact_data

Event = Mapping[str, Any]
Flat = dict[str, str | int | float | bool]

# A value is taken to hold when it does in this share of the examples: people mistype, tools change.
AGREEMENT = 0.9
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# What redaction leaves of a long secret or digest says nothing of the value.
_REDACTED = re.compile(r"\{[a-z]+\}\Z")
_DEEPEST = 4
_SHORTEST_PART = 2


def without_secrets(events: Mapping[int, Event], known: set[str]) -> dict[int, Event]:
    """The events with their secrets masked, and everywhere what is known for one or named as one by any of them."""
    found = set(known)
    for event in events.values():
        name_secrets([event.get("subject"), event.get("data")], found)
    return {
        row: {**event, **{name: redact_data(event.get(name), found) for name in ("subject", "data")},
              "actor": redact_data(event.get("actor"))}
        for row, event in events.items()
    }  # fmt: skip


def flatten(event: Event) -> Flat:
    """Subject, actor and the data's scalars by their JMESPath below `event`, which is one `without_secrets`."""
    flat: Flat = {f"event.{name}": event[name] for name in ("subject", "actor") if isinstance(event.get(name), str)}
    _walk(event.get("data") or {}, "event.data", flat, 0)
    return flat


def _walk(value: Any, path: str, flat: Flat, depth: int) -> None:
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for key, item in value.items():
            _walk(item, f"{path}.{_quoted(str(key))}", flat, depth + 1)
    elif isinstance(value, str | int | float) and value not in ("", MASK) and not _REDACTED.match(str(value)):
        flat[path] = value


def _quoted(key: str) -> str:
    return key if _PLAIN_NAME.match(key) else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parameter(values: Sequence[Any], triggers: Sequence[Flat]) -> Any:
    """A constant, a `{{ path }}` reference, a text around references, or None where the values follow no rule.

    values: one a run, None where absent; triggers: the flattened first event of the same runs.
    """
    if sum(value is not None for value in values) < AGREEMENT * len(values):
        return None
    constant = _constant(values)
    if constant is not None:
        return constant
    return _reference(values, triggers) or _text(values, triggers)


def _constant(values: Sequence[Any]) -> Any:
    value, count = Counter((type(value), value) for value in values).most_common(1)[0]
    if count < AGREEMENT * len(values) or value[1] == MASK:
        return None
    return value[1]


def paths(triggers: Sequence[Flat]) -> list[str]:
    """Paths that nearly every run has, the data's before the subject, as they say more precisely what is meant;
    expressions that take parts of them come last."""
    counts = Counter(path for flat in triggers for path in flat)
    common = [path for path, count in counts.items() if count >= AGREEMENT * len(triggers)]
    return sorted(common, key=lambda path: (not path.startswith("event."), *_precision(path), path))


def _precision(path: str) -> tuple[bool, bool]:
    return not path.startswith("event.data"), path == "event.actor"


def _reference(values: Sequence[Any], triggers: Sequence[Flat]) -> str | None:
    for path in paths(triggers):
        same = sum(path in flat and flat[path] == value for value, flat in zip(values, triggers, strict=True))
        if same >= AGREEMENT * len(values):
            return f"{{{{ {path} }}}}"
    return None


def _text(values: Sequence[Any], triggers: Sequence[Flat]) -> str | None:
    """The common text once each value of the first event that it holds is replaced by a reference."""
    if not all(value is None or isinstance(value, str) for value in values):
        return None
    lengths = {path: sum(len(str(flat.get(path, ""))) for flat in triggers) for path in paths(triggers)}
    rows = [("" if value is None else value, flat) for value, flat in zip(values, triggers, strict=True)]
    for path in sorted(lengths, key=lambda path: -lengths[path]):
        replaced = [(_replace(text, str(flat.get(path, "")), path), flat) for text, flat in rows]
        changed = sum(new != old for (new, _), (old, _) in zip(replaced, rows, strict=True))
        distinct = len({str(flat.get(path)) for flat in triggers})
        if changed >= AGREEMENT * len(rows) and distinct > 1:
            rows = replaced
    common, count = Counter(text for text, _ in rows).most_common(1)[0]
    return common if count >= AGREEMENT * len(rows) and "{{" in common else None


def _replace(text: str, part: str, path: str) -> str:
    if part not in text or (len(part) < _SHORTEST_PART and not part.isdigit()):
        return text
    pieces = re.split(r"(\{\{.*?\}\})", text)
    bounded = re.compile(rf"(?<![A-Za-z0-9]){re.escape(part)}(?![A-Za-z0-9])")
    return "".join(
        piece if piece.startswith("{{") else bounded.sub(lambda _: f"{{{{ {path} }}}}", piece) for piece in pieces
    )


def discriminating(followed: Sequence[Flat], others: Sequence[Flat]) -> dict[str, str | int | float | bool]:
    """Data fields that are the same whenever the routine followed, and mostly differ when it did not."""
    found: dict[str, str | int | float | bool] = {}
    for path in paths(followed):
        if not path.startswith("event.data") or '"' in path:
            continue
        value = _constant([flat.get(path) for flat in followed])
        differs = sum(flat.get(path) != value for flat in others)
        if value is not None and others and differs * 2 >= len(others):
            found[path] = value
    return found
