"""Timestamps as sources write them: RFC 3339 and its relatives, epoch numbers, or a named format."""

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from client.importers.drafts import Unreadable

_NUMBER = re.compile(r"-?\d{1,19}(?:\.\d+)?")
# A moment with its zone in the plain form, by far the most frequent.
_DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}(?:\d{3})?)?(?:Z|[+-]\d\d:\d\d)\Z")
_SHORT_FRACTION = re.compile(r"(\d\d:\d\d:\d\d)[.,](\d+)")
_OFFSET = re.compile(r"([+-]\d\d):?(\d\d)$")
# The digits of an epoch number tell its unit until the year 2286.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def read(text: str, zone: tzinfo = UTC, form: str | None = None) -> datetime:
    """The moment in UTC; `zone` is for texts that name none. Raises ValueError."""
    text = text.strip()
    if not form and _DATED.match(text):
        try:
            return _sane(datetime.fromisoformat(text).astimezone(UTC))
        except (ValueError, OverflowError):
            pass  # written in a way that the slower reading below knows
    if form:
        moment = datetime.strptime(text, form)  # noqa: DTZ007
    elif _NUMBER.fullmatch(text):
        return from_epoch(float(text))
    else:
        moment = datetime.fromisoformat(_plain(text))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return _sane(moment.astimezone(UTC))


def from_epoch(number: float) -> datetime:
    """The moment of an epoch number of seconds, or of milli-, micro- or nanoseconds. Raises ValueError."""
    for least, unit in _UNITS:
        if abs(number) >= least:
            number /= unit
            break
    try:
        return _sane(datetime.fromtimestamp(number, UTC))
    except (OverflowError, OSError):
        raise ValueError(f"{number:.0f} is no time") from None


def zone(name: str) -> tzinfo:
    """A time zone by name, such as Europe/Oslo or UTC, or an offset such as +0200. Raises Unreadable."""
    if re.fullmatch(r"[+-]\d\d:?\d\d", name):
        return datetime.strptime(name, "%z").tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unreadable(f"There is no time zone {name!r}; write a name such as Europe/Oslo, or +02:00.") from None


def _plain(text: str) -> str:
    """The text in the form that `fromisoformat` reads everywhere."""
    text = _SHORT_FRACTION.sub(lambda match: f"{match[1]}.{match[2][:6]:<06}", text.removesuffix(" UTC"))
    return _OFFSET.sub(r"\1:\2", text) if ":" in text else text


def _sane(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 9999:
        raise ValueError(f"the year {moment.year} is out of range")
    return moment
