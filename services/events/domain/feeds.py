"""A resumable channel: follows a log for every socket of the process, each record read and encoded once.

A reader joins the common reading first; what that brings is held until it has caught up from its own position.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain.positions import Position
from services.events.domain.sockets import TOO_SLOW, Client
from services.events.domain.tail import Waker, place
from services.events.storage import log
from shared import errors
from shared.database import Database
from shared.service import Service
from shared.testing import faults

LIMIT = 500
MAX_GAP = 20_000
RETRY_SECONDS = 0.5
CATCHING_UP = 2
_TEXT = 0x81

Answer = TypeVar("Answer")
Read = Callable[[AsyncSession, Iterable[UUID], log.Span, int], Awaitable[Sequence[Row[Any]]]]
Render = Callable[[Row[Any]], dict[str, Any]]


class Reading(NamedTuple):
    """A common reading under way: whose events it brings, and where the feed stands when it has ended."""

    organizations: frozenset[UUID]
    ended: "asyncio.Future[Position]"


class Told(NamedTuple):
    """A record as every socket gets it."""

    position: Position
    frame: bytes


class Feed:
    """One channel's readers by organisation, and where the common reading stands."""

    def __init__(self, channel: str, read: Read, render: Render) -> None:
        self.channel = channel
        self.waker = Waker()
        self._read = read
        self._render = render
        self._clients: dict[UUID, set[Client]] = {}
        self._position = Position(0, 0, 0)
        self._reading: Reading | None = None
        self._room = asyncio.Semaphore(CATCHING_UP)

    async def run(self, service: Service) -> None:
        """A loop: reads on for those who are there; after a failure from where it stood, so that nobody has a gap."""
        while True:
            organizations = frozenset(self._clients)
            full = False
            if organizations:
                full = await self._read_on(service.database, organizations)
            if not full:
                await self.waker.wait(self._position)

    async def follow(self, service: Service, client: Client, after: Position | None) -> None:
        """Joins the common reading, confirms, sends what lies between a position and the joining, then what was held.

        However many join at once, few of them ask the database at a time, and each reads a stretch that has an end. A
        reader may have seen more, through another process, than the common reading here: that does not come again.
        """
        client.held[self.channel] = []
        joined = await self._join(service.database, client)
        known = after is not None and await self._knows(service.database, after)
        kept = known and not faults.active("no-catch-up")
        cursor = after if after is not None and kept else joined
        client.offer(control("subscribed", self.channel, epoch=cursor.epoch, position=cursor.text()))
        if after is not None and not known:
            client.offer(control("reset", self.channel))
        await self._catch_up(service.database, client, cursor, joined)
        client.cursors[self.channel] = max(client.cursors[self.channel], cursor)
        client.offer(b"".join(frame for position, frame in client.held.pop(self.channel, ()) if position > cursor))

    def leave(self, client: Client) -> None:
        """Forgets a reader."""
        readers = self._clients.get(client.organization_id, set())
        readers.discard(client)
        if not readers:
            self._clients.pop(client.organization_id, None)

    async def _join(self, database: Database, client: Client) -> Position:
        """Adds a reader; it gets everything beyond the position that this answers."""
        while not self._clients and self._reading is None:
            head = await self._patiently(self._head, database)
            if not self._clients and self._reading is None:
                self._position = head
                break
        reading = self._reading
        client.cursors[self.channel] = self._position
        self._clients.setdefault(client.organization_id, set()).add(client)
        self.waker.hear(None)
        if reading is None or client.organization_id in reading.organizations:
            return self._position
        return await asyncio.shield(reading.ended)

    async def _catch_up(self, database: Database, client: Client, cursor: Position, joined: Position) -> None:
        """Sends what lies after a position up to the joining and with it, or says that it is too much."""
        end = joined._replace(sequence=joined.sequence + 1)
        sent = 0
        while client.ended is None and cursor < joined:
            span = log.Span(cursor, end)
            rows = await self._patiently(self._between, database, {client.organization_id}, span)
            client.offer(b"".join(map(self._frame, rows)))
            sent += len(rows)
            if len(rows) < LIMIT:
                return
            if sent > MAX_GAP:
                client.offer(control("reset", self.channel))
                return
            cursor = place(rows[-1])
            await client.drained()

    async def _patiently(self, ask: Callable[..., Awaitable[Answer]], *arguments: Any) -> Answer:
        """An answer of the database, when it is one's turn and the database is there."""
        while True:
            try:
                async with self._room:
                    return await ask(*arguments)
            except errors.Unavailable:
                await asyncio.sleep(RETRY_SECONDS)

    async def _knows(self, database: Database, position: Position) -> bool:
        """Whether a position can have been given out; for what the reading has passed in this epoch nobody is asked."""
        passed = position.epoch == self._position.epoch and position <= self._position
        return passed or await self._patiently(self._exists, database, position)

    async def _exists(self, database: Database, position: Position) -> bool:
        async with database.system() as session:
            return await log.exists_yet(session, position)

    async def _head(self, database: Database) -> Position:
        async with database.system() as session:
            return await log.head(session)

    async def _between(self, database: Database, organizations: Iterable[UUID], span: log.Span) -> Sequence[Row[Any]]:
        async with database.system() as session:
            return await self._read(session, organizations, span, LIMIT)

    async def _read_on(self, database: Database, organizations: frozenset[UUID]) -> bool:
        """Reads and delivers once; whether there may be more."""
        reading = self._reading = Reading(organizations, asyncio.get_running_loop().create_future())
        try:
            async with database.system() as session:
                head = await log.head(session)
                rows = await self._read(session, organizations, log.Span(self._position, head), LIMIT)
            full = len(rows) == LIMIT
            self._deliver(rows, place(rows[-1]) if full else max(head, self._position))
            return full
        finally:
            self._reading = None
            reading.ended.set_result(self._position)

    def _deliver(self, rows: Sequence[Row[Any]], upto: Position) -> None:
        told: dict[UUID, list[Told]] = {}
        for row in rows:
            if row.organization_id in self._clients:
                told.setdefault(row.organization_id, []).append(Told(place(row), self._frame(row)))
        for organization_id, news in told.items():
            self._tell(self._clients[organization_id], news)
        self._position = upto

    def _tell(self, readers: Iterable[Client], news: Sequence[Told]) -> None:
        """Offers all of it as one text that readers share; one by one to those who hold it back or know some of it.

        Whoever is cut for reading too slowly leaves the readers meanwhile.
        """
        first, last = news[0].position, news[-1].position
        together = b"".join([one.frame for one in news])
        for client in tuple(readers):
            seen = client.cursors[self.channel]
            if self.channel not in client.held and seen < first:
                client.offer(together)
            else:
                for one in news:
                    if one.position > seen:
                        self._hand(client, one)
            client.cursors[self.channel] = max(seen, last)

    def _hand(self, client: Client, one: Told) -> None:
        held = client.held.get(self.channel)
        if held is None:
            client.offer(one.frame)
        elif len(held) < MAX_GAP:
            held.append(one)
        else:
            client.end(TOO_SLOW, "too much came while catching up")

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
