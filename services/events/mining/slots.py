"""Parts of the first event's texts that change from run to run, each readable by an expression of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from services.events.mining.inference import AGREEMENT, Flat, paths
from shared import captures

MOST_FIELDS = 12
LONGEST_TEXT = 200
_TOKEN = re.compile(r"[A-Za-z0-9]+|.", re.DOTALL)
# What cannot stand in a raw string of an expression, or would be read as something else there.
_UNSAFE = re.compile(r"['`\\{}*]|[\x00-\x1f]")
_GAP = captures.STAR


def enrich(triggers: Sequence[Flat]) -> list[Flat]:
    """The flattened first events with a field `capture(event.subject, 'PR #* of *', `1`)` for each changing part."""
    fields: list[Flat] = [dict(flat) for flat in triggers]
    plain = [path for path in paths(triggers) if path != "event.actor"]
    texts = [path for path in plain if _is_text([flat.get(path) for flat in triggers])]
    for path in texts[:MOST_FIELDS]:
        values = [str(flat.get(path, "")) for flat in triggers]
        for pattern in _patterns(values):
            _add(fields, path, pattern, values)
    return fields


def _is_text(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return len(set(known)) > 1 and all(isinstance(value, str) and len(value) <= LONGEST_TEXT for value in known)


def _add(fields: list[Flat], path: str, pattern: str, values: Sequence[str]) -> None:
    found = [captures.parts(value, pattern) for value in values]
    if sum(parts is not None for parts in found) < AGREEMENT * len(found):
        return
    for number in range(pattern.count(_GAP)):
        told = [parts[number] if parts else None for parts in found]
        if len({value for value in told if value is not None}) > 1:
            expression = f"capture({path}, '{pattern}', `{number + 1}`)"
            _put(fields, expression, told, str)
            if all(value is None or (value.isdecimal() and value == str(int(value))) for value in told):
                _put(fields, f"to_number({expression})", told, int)


def _put(fields: list[Flat], name: str, values: Sequence[str | None], kind: Callable[[str], str | int]) -> None:
    for flat, value in zip(fields, values, strict=True):
        if value is not None:
            flat[name] = kind(value)


def _patterns(values: Sequence[str]) -> list[str]:
    """What all values have in common, with a `*` for each gap; also without blanks or signs that stand between gaps."""
    tokens = [_TOKEN.findall(value) for value in dict.fromkeys(values) if value]
    anchors = tokens[0]
    for other in tokens[1:]:
        anchors = _common(anchors, other)
    found = []
    for weak in (None, re.compile(r"\s"), re.compile(r"[^A-Za-z0-9]")):
        pattern = _joined(anchors, _gaps(anchors, tokens), weak)
        if pattern not in {_GAP, ""} and len(pattern) <= LONGEST_TEXT and not _UNSAFE.search(pattern.replace(_GAP, "")):
            found.append(pattern)
    return list(dict.fromkeys(found))


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """A longest common subsequence."""
    width = len(other)
    best = [[0] * (width + 1) for _ in range(len(one) + 1)]
    for row in range(len(one) - 1, -1, -1):
        for column in range(width - 1, -1, -1):
            longer = max(best[row + 1][column], best[row][column + 1])
            best[row][column] = best[row + 1][column + 1] + 1 if one[row] == other[column] else longer
    found, row, column = [], 0, 0
    while row < len(one) and column < width:
        if one[row] == other[column]:
            found.append(one[row])
            row, column = row + 1, column + 1
        elif best[row + 1][column] >= best[row][column + 1]:
            row += 1
        else:
            column += 1
    return found


def _gaps(anchors: Sequence[str], tokens: Sequence[Sequence[str]]) -> list[bool]:
    """Before each anchor and after the last: whether any value has something there."""
    gaps = [False] * (len(anchors) + 1)
    for value in tokens:
        place = 0
        for number, anchor in enumerate(anchors):
            here = value.index(anchor, place)
            gaps[number] |= here > place
            place = here + 1
        gaps[-1] |= place < len(value)
    return gaps


def _joined(anchors: Sequence[str], gaps: Sequence[bool], weak: re.Pattern[str] | None) -> str:
    """The anchors with stars at the gaps; an anchor that is `weak` between two gaps belongs to what changes."""
    pieces = [_GAP] if gaps[0] else []
    for number, anchor in enumerate(anchors):
        if not (weak and weak.fullmatch(anchor) and gaps[number] and gaps[number + 1]):
            pieces.append(anchor)
        if gaps[number + 1] and pieces[-1:] != [_GAP]:
            pieces.append(_GAP)
    return "".join(pieces)
