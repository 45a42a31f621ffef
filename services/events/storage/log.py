"""The append-only event log: the one statement that appends, and reading by position.

A position is (epoch, xid, sequence). Rows of a transaction still open have an xid at or above the snapshot's xmin, so
that a reader who stays below it never passes over a row that commits late. After a restore into another cluster xids
start anew; the epoch, told from PostgreSQL's system identifier, keeps the order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.joining import array_of, joined
from shared.database import Database

COLUMNS = "id, organization_id, external_id, source, type, actor, subject, time, received_at, epoch, xid, sequence"
TYPES = {
    "id": "uuid", "organization_id": "uuid", "external_id": "text", "source": "text", "type": "text", "actor": "text",
    "subject": "text", "time": "timestamptz", "data": "text", "extensions": "text",
}  # fmt: skip
_fields = attrgetter(*TYPES)
_KEY = ("id", "organization_id", "source", "external_id")


def _numbered(statement: str, names: Sequence[str]) -> str:
    """A statement with asyncpg's own parameters, numbered in the order of the names."""
    for place, name in enumerate(names, 1):
        statement = statement.replace(f"(:{name} AS", f"(${place} AS")
    return statement


_ARRAYS = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in TYPES.items())

# Keys are inserted in order, so that overlapping batches wait for each other instead of deadlocking; an event whose
# key is already taken is left out. Numbers are drawn once, in the materialised input.
KEYED = """
WITH input AS MATERIALIZED (
    SELECT {given}, (SELECT max(epoch) FROM log_epoch) AS epoch, (SELECT pg_current_xact_id()::text::bigint) AS xid,
           nextval('event_sequence') AS sequence, now() AS received_at
    FROM unnest({arrays}) AS item ({names}){admitted}
), keyed AS (
    INSERT INTO event_key (organization_id, source, external_id, event_id, epoch, xid, sequence)
    SELECT organization_id, source, external_id, id, epoch, xid, sequence FROM input
    WHERE external_id IS NOT NULL ORDER BY organization_id, source, external_id
    ON CONFLICT DO NOTHING RETURNING event_id
)"""
STORED = f"""
INSERT INTO event ({COLUMNS}, data, extensions)
SELECT id, organization_id, external_id, source, type, actor, subject, coalesce(time, received_at), received_at,
       epoch, xid, sequence, data::jsonb, extensions::jsonb
FROM input WHERE external_id IS NULL OR id IN (SELECT event_id FROM keyed)
RETURNING id, epoch, xid, sequence
"""  # noqa: S608  # built from the constants above
_INSERT = KEYED + STORED
_EACH = {"given": "item.*", "arrays": _ARRAYS, "names": ", ".join(TYPES)}
APPEND = _INSERT.format(**_EACH, admitted="")

_LOOK = """
SELECT wanted.id AS wanted_id, taken.event_id, taken.epoch, taken.xid, taken.sequence
FROM unnest(CAST(:id AS uuid[]), CAST(:organization_id AS uuid[]), CAST(:source AS text[]),
            CAST(:external_id AS text[])) AS wanted (id, organization_id, source, external_id)
JOIN event_key AS taken USING (organization_id, source, external_id){admitted}
"""
_TAKEN = _LOOK.format(admitted="")

# One statement that need not ask for filters first: it does nothing when an organisation of the group has any.
_UNFILTERED = " WHERE NOT EXISTS (SELECT FROM capture_filter WHERE organization_id = ANY({}))"
_NONE_FILTERED = _UNFILTERED.format("$2::uuid[]")
_APPEND_UNFILTERED = _numbered(_INSERT.format(**_EACH, admitted=_NONE_FILTERED), tuple(TYPES))
_TAKEN_UNFILTERED = _numbered(_LOOK.format(admitted=_NONE_FILTERED), _KEY)
_JOINED = {name: array_of(place, kind) for place, (name, kind) in enumerate(TYPES.items(), 1)}
_APPEND_JOINED = _INSERT.format(
    **_EACH | {"arrays": ", ".join(_JOINED.values())}, admitted=_UNFILTERED.format(_JOINED["organization_id"])
)

_READABLE = """
(epoch, xid, sequence) > (:epoch, :xid, :sequence)
AND (epoch, xid, sequence) < ((SELECT max(epoch) FROM log_epoch),
                              pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 0::bigint)
"""
ANYTHING = f"SELECT true FROM event WHERE {_READABLE} ORDER BY epoch, xid, sequence LIMIT 1".replace(  # noqa: S608
    ":epoch, :xid, :sequence", "$1, $2, $3"
)
_REACH = f"""
(SELECT epoch, xid, sequence, true AS more FROM event WHERE {_READABLE}
 ORDER BY epoch, xid, sequence OFFSET :limit - 1 LIMIT 1)
UNION ALL
(SELECT epoch, xid, sequence, false FROM event WHERE {_READABLE}
 ORDER BY epoch DESC, xid DESC, sequence DESC LIMIT 1)
ORDER BY more DESC LIMIT 1
"""  # noqa: S608

# A glob is looked at again by whoever matches; what no subscription can want is not even read.
_CANDIDATES = f"""
SELECT {COLUMNS}, data::text AS data, extensions::text AS extensions FROM event
WHERE (epoch, xid, sequence) > (:epoch, :xid, :sequence)
  AND (epoch, xid, sequence) <= (:head_epoch, :head_xid, :head_sequence)
  AND EXISTS (SELECT FROM subscription AS wish WHERE wish.active AND wish.organization_id = event.organization_id
              AND (wish.type IS NULL OR wish.type = event.type OR wish.type ~ '[*?[]')
              AND (wish.source IS NULL OR wish.source = event.source OR wish.source ~ '[*?[]'))
ORDER BY epoch, xid, sequence LIMIT :limit
"""  # noqa: S608

# The planner cannot tell how much lies behind a position; sorting all of a backlog for each batch would never end.
IN_ORDER = """
SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true)
"""

_BETWEEN = f"""
SELECT {COLUMNS}, data::text AS data, extensions::text AS extensions FROM event
WHERE (epoch, xid, sequence) > (:epoch, :xid, :sequence)
  AND (epoch, xid, sequence) < (:head_epoch, :head_xid, :head_sequence)
  AND organization_id = ANY(CAST(:organizations AS uuid[]))
ORDER BY epoch, xid, sequence LIMIT :limit
"""  # noqa: S608

_HEAD = """
SELECT max(epoch) AS epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid, 0 AS sequence FROM log_epoch
"""


class Position(NamedTuple):
    """Epoch of the cluster, transaction id, number within the log; compared in this order."""

    epoch: int
    xid: int
    sequence: int

    def text(self) -> str:
        """The form that callers see."""
        return f"{self.epoch:x}-{self.xid:x}-{self.sequence:x}"


class Span(NamedTuple):
    """A stretch of the log: after one position, and before a head."""

    after: Position
    head: Position


@dataclass(slots=True)
class Draft:
    """An event that may be appended; `data` and `extensions` are JSON texts or None."""

    id: UUID
    organization_id: UUID
    external_id: str | None
    source: str
    type: str
    actor: str | None
    subject: str | None
    time: datetime | None
    data: str | None
    extensions: str | None = None


class Appended(NamedTuple):
    """Where an event stands; a duplicate stands where the first of its key does."""

    id: UUID
    position: Position
    duplicate: bool = False


def columns(drafts: Sequence[Draft]) -> dict[str, list[Any]]:
    """One list a column, as the statement unnests them."""
    return dict(zip(TYPES, map(list, zip(*map(_fields, drafts), strict=True)), strict=True))


def _texts(draft: Draft) -> tuple[str | None, ...]:
    """The fields as `columns` orders them, in the form in which PostgreSQL reads them."""
    identity, organization_id, *names, time, data, extensions = _fields(draft)
    moment = None if time is None else time.isoformat()
    return (identity.hex, organization_id.hex, *names, moment, data, extensions)


async def append(session: AsyncSession, drafts: Sequence[Draft]) -> list[Appended]:
    """Appends what is new and finds what is not, in the order given."""
    if not drafts:
        return []
    rows = await session.execute(text(APPEND), columns(drafts))
    found = {row.id: Appended(row.id, Position(row.epoch, row.xid, row.sequence)) for row in rows}
    missing = [draft for draft in drafts if draft.id not in found]
    if missing:
        found |= await taken(session, missing)
    return [found[draft.id] for draft in drafts]


async def append_unfiltered(connection: Any, drafts: Sequence[Draft]) -> list[Appended | None]:
    """As `append`, committed on return; only None, and nothing appended, when an organisation has capture filters."""
    lines = [joined(column) for column in zip(*map(_texts, drafts), strict=True)]
    if None in lines:
        rows = await connection.fetch(_APPEND_UNFILTERED, *columns(drafts).values())
    else:
        rows = await connection.fetch(_APPEND_JOINED, *lines)
    found = {row[0]: Appended(row[0], Position._make(row[1:])) for row in rows}
    missing = [draft for draft in drafts if draft.id not in found] if len(found) < len(drafts) else []
    if missing:
        keys = ([getattr(draft, name) for draft in missing] for name in _KEY)
        found |= _duplicates(await connection.fetch(_TAKEN_UNFILTERED, *keys))
    return [found.get(draft.id) for draft in drafts]


async def taken(session: AsyncSession, drafts: Sequence[Draft]) -> dict[UUID, Appended]:
    """By draft: the event that holds its key. A second statement, so that it sees rows committed meanwhile."""
    keys = {name: [getattr(draft, name) for draft in drafts] for name in _KEY}
    return _duplicates(await session.execute(text(_TAKEN), keys))


def _duplicates(rows: Iterable[Any]) -> dict[UUID, Appended]:
    return {row[0]: Appended(row[1], Position(row[2], row[3], row[4]), duplicate=True) for row in rows}


async def ensure_partition(session: AsyncSession, moment: datetime) -> bool:
    """Makes the month's partition unless it exists; whether it was made."""
    made: bool = await session.scalar(text("SELECT ensure_event_partition(:moment)"), {"moment": moment})
    return made


async def begin_epoch(session: AsyncSession) -> int:
    """The epoch in force; begins a new one when the cluster is not the one that the last epoch was written in."""
    epoch: int = await session.scalar(text("SELECT begin_epoch()"))
    return epoch


async def read_in_order(session: AsyncSession) -> None:
    """Has the rest of the transaction read the log by its index, whatever the planner guesses."""
    await session.execute(text(IN_ORDER))


async def is_beyond(database: Database, position: Position) -> bool:
    """Whether there is anything readable beyond a position: what most looks of an idle log come to, in one statement.

    PostgreSQL keeps its plan, so whoever finds a backlog goes on with `read_in_order`.
    """
    return bool(await database.look(ANYTHING, *position))


async def reach(session: AsyncSession, after: Position, limit: int) -> tuple[Position, bool]:
    """How far a position may move on, as far as nothing can still appear before it, and whether that is `limit` events.

    The transaction reads in order already.
    """
    row = (await session.execute(text(_REACH), {**after._asdict(), "limit": limit})).one_or_none()
    return (after, False) if row is None else (Position(row.epoch, row.xid, row.sequence), row.more)


async def candidates(session: AsyncSession, after: Position, upto: Position, limit: int) -> Sequence[Row[Any]]:
    """The first events of a stretch that an active subscription may want; `data` and `extensions` are texts.

    The transaction reads in order already.
    """
    return (await session.execute(text(_CANDIDATES), {**_bounds(after, upto), "limit": limit})).all()


def _bounds(after: Position, upto: Position) -> dict[str, int]:
    return {**after._asdict(), **{f"head_{name}": value for name, value in upto._asdict().items()}}


async def between(session: AsyncSession, organizations: Iterable[UUID], span: Span, limit: int) -> Sequence[Row[Any]]:
    """Some organisations' events after a position and before a head; `data` and `extensions` are texts."""
    await read_in_order(session)
    given = {**_bounds(span.after, span.head), "organizations": list(organizations), "limit": limit}
    return (await session.execute(text(_BETWEEN), given)).all()


async def exists_yet(session: AsyncSession, position: Position) -> bool:
    """Whether a position can have been given out by now, though a tail may not have come to it."""
    query = (
        "SELECT CAST(:epoch AS integer) = max(epoch) "
        "AND CAST(:xid AS bigint) < pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM log_epoch"
    )
    found: bool = await session.scalar(text(query), {"epoch": position.epoch, "xid": position.xid})
    return found


async def head(session: AsyncSession) -> Position:
    """The position after everything that a tail could read now."""
    return Position(*(await session.execute(text(_HEAD))).one())


async def received_since(session: AsyncSession, organization_id: UUID, moment: datetime) -> Sequence[Row[Any]]:
    """An organisation's events whose ids were made since a moment; `data` and `extensions` are texts."""
    query = (
        f"SELECT {COLUMNS}, data::text AS data, extensions::text AS extensions FROM event "  # noqa: S608
        "WHERE id >= uuid_bound(:moment) AND organization_id = :organization_id ORDER BY id"
    )
    return (await session.execute(text(query), {"moment": moment, "organization_id": organization_id})).all()
