"""ISO-8601 durations of fixed length: weeks, days, hours, minutes and seconds, never months or years."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

LONGEST = timedelta(days=366)
_SHAPE = re.compile(
    r"P(?=[0-9T])(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,4})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,9}(?:[.,]\d{1,6})?)S)?)?",
    re.ASCII,
)


def parse(text: str) -> timedelta:
    """Read a duration such as PT5M; ValueError names what is wrong (months and years have no fixed length)."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError("write a duration as ISO 8601 with weeks, days, hours, minutes or seconds, such as PT5M")
    parts = {unit: float(value.replace(",", ".")) for unit, value in match.groupdict().items() if value}
    length = timedelta(**parts)
    if not timedelta() < length <= LONGEST:
        raise ValueError("a duration is longer than nothing and at most 366 days")
    return length


def render(length: timedelta) -> str:
    """Write a duration in seconds, the one spelling that every length has."""
    return f"PT{length.total_seconds():.6f}".rstrip("0").rstrip(".") + "S"


def _read(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("a duration is text such as PT5M")  # noqa: TRY004 - pydantic reports ValueError at the field
    return parse(value)


Duration = Annotated[timedelta, BeforeValidator(_read), PlainSerializer(render, return_type=str, when_used="json")]
