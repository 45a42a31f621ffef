"""Identifiers: UUIDv7, ordered by the time they were made."""

from uuid import UUID

import uuid_utils.compat


def new() -> UUID:
    """A fresh UUIDv7."""
    return uuid_utils.compat.uuid7()


def many(count: int) -> list[str]:
    """At most 2³¹ fresh UUIDv7s as hexadecimal texts: one is drawn, the others are counted on from it."""
    first = new().int & ~(1 << 31)
    head, low = f"{first >> 32:024x}", first & 0xFFFF_FFFF
    return [f"{head}{number:08x}" for number in range(low, low + count)]
