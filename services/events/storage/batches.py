"""Whole batches of plain events, one organisation's, appended by one statement that only counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.events.storage.joining import array_of, joined
from services.events.storage.log import KEYED, STORED, TYPES, Draft, Position
from shared import ids

# PostgreSQL is given ids, for it may have to open the system's source of randomness for each that it makes.
_COLUMNS = ("id", "external_id", "source", "type", "actor", "subject", "time", "data")
_ADMITTED = " WHERE NOT EXISTS (SELECT FROM capture_filter WHERE organization_id = $1::uuid)"
_APPEND = KEYED.format(
    given="$1::uuid AS organization_id, item.*, NULL::text AS extensions",
    arrays=", ".join(array_of(place, TYPES[name]) for place, name in enumerate(_COLUMNS, 2)),
    names=", ".join(_COLUMNS),
    admitted=_ADMITTED,
)
_APPEND += f""", stored AS ({STORED})
SELECT count(*), max(epoch), max(xid), max(sequence), EXISTS (SELECT 1{_ADMITTED}) AS admitted FROM stored
"""  # noqa: S608


class Batch(NamedTuple):
    """Events of one organisation, a list a column; `data` are JSON texts or None."""

    external_id: list[str | None]
    source: list[str]
    type: list[str]
    actor: list[str | None]
    subject: list[str | None]
    time: list[datetime | None]
    data: list[str | None]

    def drafts(self, organization_id: UUID) -> list[Draft]:
        """One by one."""
        return [Draft(ids.new(), organization_id, *fields) for fields in zip(*self, strict=True)]


async def append(connection: Any, organization_id: UUID, batch: Batch) -> tuple[int, Position | None] | None:
    """Appends events without filters, committed on return: how many were new, and the last position.

    None, and nothing appended, when the organisation has capture filters, or a text holds what stands between two.
    """
    times = [None if time is None else time.isoformat() for time in batch.time]
    columns: tuple[Sequence[str | None], ...] = (ids.many(len(times)), *batch[:5], times, batch.data)
    lines = [joined(column) for column in columns]
    if None in lines:
        return None
    row = await connection.fetchrow(_APPEND, organization_id, *lines)
    if not row["admitted"]:
        return None
    return row[0], Position(row[1], row[2], row[3]) if row[0] else None
