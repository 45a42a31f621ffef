"""Events as files: read by keyset a page at a time, so that neither memory nor a transaction grows."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.events.domain import events as shown
from services.events.domain.events import Criteria
from services.events.storage import events
from shared.database import Database

PAGE = 1_000
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
FIELDS = (
    "id", "external_id", "source", "type", "actor", "subject", "time", "received_at", "position", "data", "extensions",
)  # fmt: skip


async def ndjson(database: Database, organization_id: UUID, criteria: Criteria) -> AsyncIterator[bytes]:
    """One event a line, oldest first."""
    async for rows in _pages(database, organization_id, criteria):
        yield b"".join(orjson.dumps(shown.render(row), default=str, option=_LINE) for row in rows)


async def table(database: Database, organization_id: UUID, criteria: Criteria) -> AsyncIterator[bytes]:
    """CSV with a header, oldest first; `data` and `extensions` as JSON."""
    yield _lines([FIELDS])
    async for rows in _pages(database, organization_id, criteria):
        yield _lines([[_cell(name, value) for name, value in shown.render(row).items()] for row in rows])


async def _pages(database: Database, organization_id: UUID, criteria: Criteria) -> AsyncIterator[Sequence[Row[Any]]]:
    above = None
    while True:
        async with database.session(organization_id) as session:
            rows = await events.page_upwards(session, organization_id, criteria, above, PAGE)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        above = (rows[-1].time, rows[-1].id)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in {"data", "extensions"}:
        return orjson.dumps(value).decode()
    return value.isoformat() if name in {"time", "received_at"} else str(value)


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def of_actor(
    database: Database, organization_id: UUID, actor: str, after: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of an actor's events, oldest first, and where the next one begins, None after the last."""
    above = None
    if after is not None:
        time, _, event_id = after.partition(" ")
        above = (datetime.fromisoformat(time), UUID(event_id))
    async with database.session(organization_id) as session:
        rows = await events.page_upwards(session, organization_id, Criteria(actor=actor), above, PAGE)
    following = f"{rows[-1].time.isoformat()} {rows[-1].id}" if len(rows) == PAGE else None
    return [shown.render(row) for row in rows], following
