"""The outbox: messages written beside the change they tell of, delivered at least once, in order for each key."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from shared import backlog, clock, errors, ids, log, metrics, tracing
from shared.messages import Message
from shared.service import Service
from shared.testing.faults import failpoint

BATCH = 100
LEASE = timedelta(seconds=15)
SWEEP_SECONDS = 1.0
PURGE_SECONDS = 600.0
KEEP = timedelta(days=7)
MAX_DELAY_SECONDS = 60
CONCURRENCY = 8

_LEASE = """
UPDATE {table} SET due_at = $2, attempts = attempts + 1 WHERE position IN (
    SELECT position FROM {table}
    WHERE position IN (SELECT min(position) FROM {table} WHERE delivered_at IS NULL GROUP BY recipient, key)
      AND due_at <= $1 AND delivered_at IS NULL ORDER BY position LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING position, id, recipient, key, type, version, body, trace_id, attempts
"""

_log = log.get(__name__)


def outbox_table(metadata: sa.MetaData) -> sa.Table:
    """One row a message and recipient; `position` is the order within (recipient, key)."""
    return sa.Table(
        "outbox",
        metadata,
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("version", sa.SmallInteger, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.Index(
            "ix_outbox_undelivered", "recipient", "key", "position", postgresql_where=sa.text("delivered_at IS NULL")
        ),
    )


def inbox_table(metadata: sa.MetaData) -> sa.Table:
    """The messages that this service has applied."""
    return sa.Table(
        "inbox",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, index=True),
    )


async def add(session: AsyncSession, table: sa.Table, message: Message, *, to: tuple[str, ...], key: str) -> None:
    """Publishes a message in the caller's transaction; messages of one key arrive in the order they were added."""
    now = clock.now()
    rows = [
        {
            "id": ids.new(),
            "recipient": recipient,
            "key": key,
            "type": type(message).type,
            "version": type(message).version,
            "body": message.model_dump(mode="json"),
            "trace_id": tracing.trace_id(),
            "due_at": now,
        }
        for recipient in to
    ]
    failpoint("outbox-insert")
    await session.execute(sa.insert(table).inline(), rows)  # requests may add to an outbox, not read it


@dataclass(frozen=True, slots=True)
class _Letter:
    position: int
    id: UUID
    recipient: str
    key: str
    type: str
    version: int
    body: Any
    trace_id: str
    attempts: int


class Relay:
    """Delivers one service's outbox; a loop of its worker."""

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._statement = _LEASE.format(table=table.name)
        self._woken = asyncio.Event()
        self._purged_at = time.monotonic()

    def wake(self) -> None:
        """Delivers now instead of at the next sweep."""
        self._woken.set()

    async def relay(self, service: Service) -> None:
        """Sweeps for ever: lease in one statement, post with none open, mark in another."""
        columns = self._table.c
        service.components["outbox"] = partial(
            backlog.measure, service.database, columns.due_at, columns.delivered_at.is_(None)
        )
        while True:
            letters = await self._lease(service)
            if letters:
                await self._deliver(service, letters)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), SWEEP_SECONDS)
            self._woken.clear()
            if time.monotonic() - self._purged_at > PURGE_SECONDS:
                await self._purge(service)

    async def _lease(self, service: Service) -> list[_Letter]:
        """The oldest undelivered message of each (recipient, key) that is due, pushed out of reach of other relays."""
        now = clock.now()
        async with service.database.statements() as connection:
            rows = await connection.fetch(self._statement, now, now + LEASE, BATCH)
        return sorted((_Letter(**row) for row in rows), key=lambda letter: letter.position)

    async def _deliver(self, service: Service, letters: list[_Letter]) -> None:
        gate = asyncio.Semaphore(CONCURRENCY)

        async def post(letter: _Letter) -> tuple[_Letter, bool]:
            async with gate:
                return letter, await self._post(service, letter)

        failpoint("relay-before-post")
        outcomes = await asyncio.gather(*(post(letter) for letter in letters))
        failpoint("relay-before-mark")
        now = clock.now()
        async with service.database.system() as session:
            for letter, delivered in outcomes:
                mark = {"delivered_at": now} if delivered else {"due_at": _next_attempt(now, letter.attempts)}
                await session.execute(
                    sa.update(self._table).where(self._table.c.position == letter.position).values(**mark)
                )

    async def _post(self, service: Service, letter: _Letter) -> bool:
        tracing.resume(letter.trace_id)
        envelope = {
            "id": str(letter.id),
            "type": letter.type,
            "version": letter.version,
            "trace_id": letter.trace_id,
            "body": letter.body,
        }
        try:
            await service.siblings.call(letter.recipient, "POST", "/internal/messages", json=envelope)
        except errors.FloyoError as error:
            metrics.MESSAGES.labels(letter.recipient, "failed").inc()
            _log.warning("message-not-delivered", message=letter.type, recipient=letter.recipient, problem=error.slug)
            return False
        metrics.MESSAGES.labels(letter.recipient, "delivered").inc()
        return True

    async def _purge(self, service: Service) -> None:
        async with service.database.system() as session:
            await session.execute(sa.delete(self._table).where(self._table.c.delivered_at < clock.now() - KEEP))
        self._purged_at = time.monotonic()


def _next_attempt(now: datetime, attempts: int) -> datetime:
    return now + timedelta(seconds=min(2 ** min(attempts - 1, 6), MAX_DELAY_SECONDS))
