"""Idempotency-Key: the first answer is stored with its effect and given again for a day."""

import asyncio
import time
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

from shared import clock, errors, turns
from shared.database import Database

MAX_KEY = 255
KEEP = timedelta(hours=24)
ABANDONED = timedelta(seconds=60)
LOOK_SECONDS = 0.1
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
    fingerprint = _fingerprint(key, request)
    identity = {"organization_id": organization_id, "route": route, "key": key}
    if not await _claim(session, table, identity, fingerprint):
        return await _replay(session, table, identity, fingerprint)
    status, body = await produce()
    await session.execute(sa.update(table).filter_by(**identity).values(status=status, body=body))
    return Answer(status, body)


class Keys:
    """Answers by key for routes whose effect is not of one transaction: the key claimed before, the answer kept after

    A process that dies in between leaves a claim which another request takes over after a minute and does its work
    again, so this is for effects that are the same when repeated.
    """

    def __init__(self, table: sa.Table) -> None:
        self._table = table

    async def run(
        self,
        database: Database,
        *,
        organization_id: UUID,
        route: str,
        key: str,
        request: object,
        produce: Callable[[], Awaitable[tuple[int, Any]]],
    ) -> Answer:
        """As `run` above; what fails leaves no trace, and may be tried again under the same key."""
        fingerprint = _fingerprint(key, request)
        identity = {"organization_id": organization_id, "route": route, "key": key}
        async with turns.in_turn(organization_id, route, key):
            found = await self._wait(database, identity, fingerprint)
            if found is not None:
                return found
            mine = sa.and_(*(self._table.c[name] == value for name, value in identity.items()))
            try:
                status, body = await produce()
            except BaseException:
                await asyncio.shield(self._do(database, organization_id, sa.delete(self._table).where(mine)))
                raise
            kept = sa.update(self._table).where(mine).values(status=status, body=body)
            await self._do(database, organization_id, kept)
            return Answer(status, body)

    async def _wait(self, database: Database, identity: dict[str, Any], fingerprint: bytes) -> Answer | None:
        """As `_ask`, when no other process works under the key any more; raises Conflict after ten seconds."""
        until = time.monotonic() + turns.WAIT_SECONDS
        while (found := await self._ask(database, identity, fingerprint)) is not None and found.status is None:
            if time.monotonic() > until:
                raise errors.Conflict("request-in-progress", "A request with this key is still being worked on.")
            await asyncio.sleep(LOOK_SECONDS)
        return found

    async def _ask(self, database: Database, identity: dict[str, Any], fingerprint: bytes) -> Answer | None:
        """None once the key is claimed for this request; else what is kept, perhaps without a status yet."""
        async with database.session(identity["organization_id"]) as session:
            if await _claim(session, self._table, identity, fingerprint):
                return None
            return await _replay(session, self._table, identity, fingerprint)

    async def _do(self, database: Database, organization_id: UUID, statement: Any) -> None:
        async with database.session(organization_id) as session:
            await session.execute(statement)


def _fingerprint(key: str, request: object) -> bytes:
    if not 0 < len(key) <= MAX_KEY:
        raise errors.invalid_field(
            "/header/Idempotency-Key", f"Must be 1 to {MAX_KEY} characters.", slug="idempotency-mismatch"
        )
    return sha256(orjson.dumps(request, default=str, option=orjson.OPT_SORT_KEYS)).digest()


async def _claim(session: AsyncSession, table: sa.Table, identity: dict[str, Any], fingerprint: bytes) -> bool:
    now = clock.now()
    await session.execute(sa.text("SET LOCAL lock_timeout = '9500ms'"))
    statement = insert(table).values(**identity, fingerprint=fingerprint, created_at=now)
    statement = statement.on_conflict_do_update(
        index_elements=["organization_id", "route", "key"],
        set_={"fingerprint": fingerprint, "created_at": now, "status": None, "body": None},
        where=sa.or_(
            table.c.created_at < now - KEEP,
            sa.and_(table.c.status.is_(None), table.c.created_at < now - ABANDONED),
        ),
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
