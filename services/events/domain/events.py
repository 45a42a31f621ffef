"""Stored events: one by id, or lists, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import drafts
from services.events.storage import events
from services.events.storage.events import Criteria
from services.events.storage.log import Position
from shared import errors

__all__ = ["Criteria", "criteria", "get", "page", "render", "render_raw", "sort_key"]


def criteria(
    *, type: str | None = None, source: str | None = None, actor: str | None = None, subject: str | None = None,  # noqa: A002
    after: str | None = None, before: str | None = None,
) -> Criteria:  # fmt: skip
    """What a list is narrowed to; raises Invalid for times that are none."""
    for name, value in (("type", type), ("source", source), ("actor", actor), ("subject", subject)):
        if value is not None and "\x00" in value:
            raise errors.invalid_field(f"/query/{name}", "U+0000 cannot be stored.")
    return Criteria(
        type=type,
        source=source,
        actor=actor,
        subject=subject,
        after=None if after is None else drafts.parse_time(after, "/query/after"),
        before=None if before is None else drafts.parse_time(before, "/query/before"),
    )


async def get(session: AsyncSession, organization_id: UUID, event_id: UUID) -> dict[str, Any]:
    """One event; raises NotFound."""
    row = await events.find(session, organization_id, event_id)
    if row is None:
        raise errors.NotFound
    return render(row)


async def page(
    session: AsyncSession, organization_id: UUID, narrowed: Criteria, below: Sequence[str] | None, limit: int
) -> list[dict[str, Any]]:
    """Events below a sort key, newest first, one more than the limit when more follow."""
    key = None if below is None else (datetime.fromisoformat(below[0]), UUID(below[1]))
    rows = await events.page(session, organization_id, narrowed, key, limit + 1)
    return [render(row) for row in rows]


def sort_key(event: dict[str, Any]) -> list[Any]:
    """What a cursor holds of the last event shown."""
    return [event["time"].isoformat(), str(event["id"])]


def render_raw(row: Row[Any]) -> dict[str, Any]:
    """An event as the API shows it, of a row whose `data` and `extensions` are JSON texts; for orjson alone."""
    raw = {name: None if text is None else orjson.Fragment(text) for name, text in _raw(row)}
    return {**_fields(row), **raw}


def _raw(row: Row[Any]) -> tuple[tuple[str, str | None], ...]:
    return ("data", row.data), ("extensions", row.extensions)


def render(row: Row[Any]) -> dict[str, Any]:
    """An event as the API shows it."""
    return {**_fields(row), "data": row.data, "extensions": row.extensions}


def _fields(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "external_id": row.external_id,
        "source": row.source,
        "type": row.type,
        "actor": row.actor,
        "subject": row.subject,
        "time": row.time,
        "received_at": row.received_at,
        "position": Position(row.epoch, row.xid, row.sequence).text(),
    }
