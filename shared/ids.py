"""Identifiers: UUIDv7, ordered by the time they were made."""

from uuid import UUID

import uuid_utils.compat


def new() -> UUID:
    """A fresh UUIDv7."""
    return uuid_utils.compat.uuid7()
