"""What an event is about, for those that name no subject."""

from collections.abc import Mapping
from typing import Any

# Fields of `data` that say what an event was about when it names no subject, the most telling first.
DETAIL_FIELDS = (
    "command",
    "cmd",
    "action",
    "operation",
    "path",
    "file",
    "url",
    "page",
    "title",
    "name",
    "channel",
    "app",
)


def detail(event: Mapping[str, Any]) -> str | None:
    """The subject, or else the most telling text field of the data, or None."""
    subject = event.get("subject")
    if isinstance(subject, str) and subject:
        return subject
    data = event.get("data")
    if not isinstance(data, Mapping):
        return None
    for field in DETAIL_FIELDS:
        value = data.get(field)
        if isinstance(value, str) and value:
            return value
    return None
