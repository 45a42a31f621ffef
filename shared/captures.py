"""Parts of a text by a pattern such as `PR #* of *`, where each `*` is what changes; linear, whatever the pattern."""

from collections.abc import Sequence

STAR = "*"


def parts(text: str, pattern: str) -> Sequence[str] | None:
    """What stands for each `*`, none of it empty; None where the text is not like the pattern.

    Each `*` but the last reaches to where the literal behind it comes first, so that nothing is ever tried twice.
    """
    first, *literals = pattern.split(STAR)
    if not literals or not text.startswith(first):
        return None
    found, place = [], len(first)
    for literal in literals[:-1]:
        end = text.find(literal, place + 1)
        if not literal or end < 0:
            return None
        found.append(text[place:end])
        place = end + len(literal)
    end = len(text) - len(literals[-1])
    if end <= place or not text.endswith(literals[-1]):
        return None
    return [*found, text[place:end]]
