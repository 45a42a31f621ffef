"""What patterns are written in; free of the libraries that count, so that whoever only reads patterns needs none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.events.mining.templating import template

EXACT, TEMPLATED, TYPE = "exact", "templated", "type"


@dataclass(frozen=True)
class Token:
    """What a step of a pattern is: `subject` is a text, a template with slots such as `{n}`, or None for any."""

    source: str
    type: str
    subject: str | None = None
    level: str = TYPE
    slots: tuple[str, ...] = ()

    @property
    def kind(self) -> tuple[str, str]:
        """Source and type, which every level names."""
        return self.source, self.type


def alike(one: Sequence[Token], other: Sequence[Token]) -> bool:
    """Whether both are the same steps, one perhaps read at another level: with more events a level finds more names."""
    return len(one) == len(other) and all(map(_same, one, other))


def _same(one: Token, other: Token) -> bool:
    if one.kind != other.kind:
        return False
    if one.level == other.level:
        return one.subject == other.subject
    return TYPE in {one.level, other.level} or _template(one) == _template(other)


def _template(token: Token) -> str:
    return template(token.subject or "")[0]
