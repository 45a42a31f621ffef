"""Idempotency-Key: the first answer is stored with its effect and given again for a day."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, errors

MAX_KEY = 255
KEEP = timedelta(hours=24)
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and JSON body, as first given or as replayed."""

    status: int
    body: Any
    replayed: bool = False


def idempotency_table(metadata: sa.MetaData) -> sa.Table:
    """The table each service keeps; tenant rows, so row-level security applies."""
    return sa.Table(
        "idempotency_key",
        metadata,
        sa.Column("organization_id", sa.Uuid, primary_key=True),
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("body", sa.JSON),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, index=True),
    )


async def run(
    session: AsyncSession,
    table: sa.Table,
    *,
    organization_id: UUID,
    route: str,
    key: str | None,
    request: object,
    produce: Callable[[], Awaitable[tuple[int, Any]]],
) -> Answer:
    """Runs `produce` once for each key, in the caller's transaction.

    A concurrent request with the same key waits for the first and gets its answer (409 `request-in-progress` after
    ten seconds); the same key with another request is 422 `idempotency-mismatch`.
    """
    if key is None:
        return Answer(*await produce())
    if not 0 < len(key) <= MAX_KEY:
        raise errors.invalid_field(
            "/header/Idempotency-Key", f"Must be 1 to {MAX_KEY} characters.", slug="idempotency-mismatch"
        )
    fingerprint = sha256(orjson.dumps(request, default=str, option=orjson.OPT_SORT_KEYS)).digest()
    identity = {"organization_id": organization_id, "route": route, "key": key}
    if not await _claim(session, table, identity, fingerprint):
        return await _replay(session, table, identity, fingerprint)
    status, body = await produce()
    await session.execute(sa.update(table).filter_by(**identity).values(status=status, body=body))
    return Answer(status, body)


async def _claim(session: AsyncSession, table: sa.Table, identity: dict[str, Any], fingerprint: bytes) -> bool:
    now = clock.now()
    await session.execute(sa.text("SET LOCAL lock_timeout = '9500ms'"))
    statement = insert(table).values(**identity, fingerprint=fingerprint, created_at=now)
    statement = statement.on_conflict_do_update(
        index_elements=["organization_id", "route", "key"],
        set_={"fingerprint": fingerprint, "created_at": now, "status": None, "body": None},
        where=table.c.created_at < now - KEEP,
    )
    try:
        result = await session.execute(statement.returning(table.c.key))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise errors.Conflict("request-in-progress", "A request with this key is still being worked on.") from None
        raise
    return result.first() is not None


async def _replay(session: AsyncSession, table: sa.Table, identity: dict[str, Any], fingerprint: bytes) -> Answer:
    row = (await session.execute(sa.select(table).filter_by(**identity))).one()
    if row.fingerprint != fingerprint:
        raise errors.invalid_field(
            "/header/Idempotency-Key", "This key was used with another request.", slug="idempotency-mismatch"
        )
    return Answer(row.status, row.body, replayed=True)
