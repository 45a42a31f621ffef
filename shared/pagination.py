"""Lists: signed keyset cursors and the page that every list answers."""

from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel

from shared import crypto, errors

T = TypeVar("T")
MAX_LIMIT = 200
_TAG_BYTES = 16


class Page(BaseModel, Generic[T]):
    """`{"items": […], "next_cursor": null}`; the cursor is null on the last page."""

    items: list[T]
    next_cursor: str | None = None


class Cursors:
    """Encodes the last row's sort key, bound to one organisation and one list with its filters."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def encode(self, key: list[Any], *, organization_id: UUID, scope: str) -> str:
        """Opaque text for the JSON-compatible sort key of the last row shown."""
        body = orjson.dumps(key)
        return crypto.encode64(self._tag(body, organization_id, scope) + body)

    def decode(self, cursor: str, *, organization_id: UUID, scope: str) -> list[Any]:
        """The sort key; raises BadRequest `invalid-cursor` when it is not one of ours for this very list."""
        try:
            raw = crypto.decode64(cursor)
        except ValueError:
            raw = b""
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not body or not crypto.equal(tag, self._tag(body, organization_id, scope)):
            raise errors.BadRequest("invalid-cursor", "The cursor does not belong to this list.")
        key: list[Any] = orjson.loads(body)
        return key

    def _tag(self, body: bytes, organization_id: UUID, scope: str) -> bytes:
        return crypto.sign(self._secret, "cursor", f"{organization_id}|{scope}|".encode() + body)[:_TAG_BYTES]


def cut(rows: list[T], limit: int) -> tuple[list[T], T | None]:
    """Splits `limit + 1` fetched rows into the page and its last row when more follow."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], rows[limit - 1]
