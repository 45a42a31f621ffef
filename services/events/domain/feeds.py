"""A resumable channel: follows a log for every socket of the process, each record read and encoded once.

A reader that joins first catches up by itself from its own position, and joins the common reading where that stands.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain.positions import Position
from services.events.domain.sockets import Client
from services.events.domain.tail import Waker, place
from services.events.storage import log
from shared.database import Database
from shared.service import Service
from shared.testing import faults

LIMIT = 500
MAX_GAP = 20_000
RETRY_SECONDS = 0.003
_TEXT = 0x81

Read = Callable[[AsyncSession, Iterable[UUID], log.Span, int], Awaitable[Sequence[Row[Any]]]]
Render = Callable[[Row[Any]], dict[str, Any]]


class Batch(NamedTuple):
    """Some rows, and the position up to which there are no others."""

    rows: Sequence[Row[Any]]
    upto: Position


class Feed:
    """One channel's readers by organisation, and where the common reading stands."""

    def __init__(self, channel: str, read: Read, render: Render) -> None:
        self.channel = channel
        self.waker = Waker()
        self._read = read
        self._render = render
        self._clients: dict[UUID, set[Client]] = {}
        self._position = Position(0, 0, 0)
        self._reading: frozenset[UUID] | None = None

    async def run(self, service: Service) -> None:
        """A loop: reads on for those who are there; after a failure from where it stood, so that nobody has a gap."""
        while True:
            organizations = frozenset(self._clients)
            full = False
            if organizations:
                self._reading = organizations
                try:
                    batch = await self._after(service.database, organizations, self._position)
                finally:
                    self._reading = None
                self._deliver(batch)
                full = len(batch.rows) == LIMIT
            if not full:
                await self.waker.wait(self._position)

    async def follow(self, service: Service, client: Client, after: Position | None) -> None:
        """Confirms a subscription, sends what followed a position, then joins the common reading."""
        async with service.database.system() as session:
            head = await log.head(session)
            known = after is not None and await log.exists_yet(session, after)
        kept = known and not faults.active("no-catch-up")
        cursor = after if after is not None and kept else head
        client.offer(control("subscribed", self.channel, epoch=cursor.epoch, position=cursor.text()))
        if after is not None and not known:
            client.offer(control("reset", self.channel))
        sent = 0
        while client.ended is None:
            batch = await self._after(service.database, {client.organization_id}, cursor)
            for row in batch.rows:
                client.offer(self._frame(row))
            cursor = batch.upto
            sent += len(batch.rows)
            if len(batch.rows) < LIMIT and self._join(client, cursor):
                return
            if sent > MAX_GAP:
                client.offer(control("reset", self.channel))
                async with service.database.system() as session:
                    cursor = await log.head(session)
                sent = 0
            await client.drained()
            await asyncio.sleep(RETRY_SECONDS)

    def leave(self, client: Client) -> None:
        """Forgets a reader."""
        readers = self._clients.get(client.organization_id, set())
        readers.discard(client)
        if not readers:
            self._clients.pop(client.organization_id, None)

    def _join(self, client: Client, cursor: Position) -> bool:
        """Adds a reader that has everything up to `cursor`, unless the common reading would leave a gap."""
        organization_id = client.organization_id
        if not self._clients and self._reading is None:
            self._position = cursor
        elif cursor < self._position or (self._reading is not None and organization_id not in self._reading):
            return False
        client.cursors[self.channel] = cursor
        self._clients.setdefault(organization_id, set()).add(client)
        self.waker.hear(None)
        return True

    async def _after(self, database: Database, organizations: Iterable[UUID], position: Position) -> Batch:
        async with database.system() as session:
            head = await log.head(session)
            rows = await self._read(session, organizations, log.Span(position, head), LIMIT)
        return Batch(rows, place(rows[-1]) if len(rows) == LIMIT else max(head, position))

    def _deliver(self, batch: Batch) -> None:
        for row in batch.rows:
            readers = self._clients.get(row.organization_id)
            if readers:
                position = place(row)
                frame = self._frame(row)
                for client in readers:
                    if position > client.cursors[self.channel]:
                        client.offer(frame)
                        client.cursors[self.channel] = position
        self._position = batch.upto

    def _frame(self, row: Row[Any]) -> bytes:
        message = {
            "type": "message", "channel": self.channel, "position": place(row).text(), "epoch": row.epoch,
            "data": self._render(row),
        }  # fmt: skip
        return encode(message)


def control(kind: str, channel: str, **more: Any) -> bytes:
    """A frame that is no message."""
    return encode({"type": kind, "channel": channel, **more})


def encode(value: dict[str, Any]) -> bytes:
    """A whole WebSocket frame of text, as every socket gets it."""
    text = orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)
    size = len(text)
    if size < 126:
        return bytes((_TEXT, size)) + text
    return (struct.pack("!BBH", _TEXT, 126, size) if size < 1 << 16 else struct.pack("!BBQ", _TEXT, 127, size)) + text
