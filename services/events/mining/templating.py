"""Turns the changing parts of a text into slots, so that repetitions of one action look alike."""

from __future__ import annotations

import re

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_SLOTS = re.compile(
    r"(?P<id>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)"
    r"|(?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b"
    r"|\b\d{4}-W\d\d\b|\b\d\d?[./]\d\d?[./]\d{4}\b"
    rf"|\b{_MONTH}[ -]\d{{1,2}}(?:,? \d{{4}})?\b|\b{_MONTH}[ -]\d{{4}}\b)"
    r"|(?P<time>\b\d\d:\d\d(?::\d\d)?\b)"
    r"|(?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}\b)"
    r"|(?P<version>\bv?\d+\.\d+\.\d+(?:[-+.]\w+)*\b)"
    r"|(?P<hash>\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b)"
    r"|(?P<temp>(?<=/tmp/)[^\s/]+|\btmp[\w.-]{4,}|~\$\S+|\.~lock\S*)"
    r"|(?P<n>\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
_URL_QUERY = re.compile(r"(https?://[^\s?#]+)[?#]\S*")
_FILE = re.compile(r"(?<![\w{])((?:[^\s/\"']*/)+)[^\s/\"']+?(\.[A-Za-z]\w{0,7})(?=$|[\s\"':,;)])")
_LONGEST = 200


def template(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with slots such as `{n}`, `{date}`, `*.pdf` for what changes, and the slots' names in order.

    Paths keep directory and extension, addresses lose their query, and nothing is longer than 200 characters.
    """
    slots: list[str] = []

    def slot(match: re.Match[str]) -> str:
        slots.append(match.lastgroup or "n")
        return "{" + slots[-1] + "}"

    text = _URL_QUERY.sub(r"\1", " ".join(text[: 4 * _LONGEST].split()))
    text = _FILE.sub(lambda match: f"{match[1]}*{match[2]}" if "://" not in match[1] else match[0], text)
    text = _SLOTS.sub(slot, text)
    return text[:_LONGEST], tuple(slots)
