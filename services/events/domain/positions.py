"""Positions in the event log: opaque to callers, ordered for readers."""

import re

from services.events.storage.log import Position
from shared import errors

__all__ = ["START", "Position", "parse"]

_SHAPE = re.compile(r"([0-9a-f]{1,7})-([0-9a-f]{1,15})-([0-9a-f]{1,15})", re.ASCII)

START = Position(0, 0, 0)


def parse(text: str) -> Position:
    """Reads what `text` wrote; raises Invalid `invalid-position`."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise errors.Invalid("invalid-position", "This is no position of the event log.")
    return Position(*(int(part, 16) for part in match.groups()))
