"""Messages between services: at least once on the wire, once in effect, in order for each key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, inbox, outbox, webapp
from shared.httpclient import Directory, Siblings
from shared.messages import Handler, Message, Reading
from shared.server import bind, build_server
from shared.service import Service
from tests.shared.conftest import INBOX, NOTES, OUTBOX


class NoteTaken(Message):
    type: ClassVar[str] = "note.taken"
    organization_id: str
    text: str
    unread: str = "a field the reader does not know"


class TakenNote(Reading):
    organization_id: str
    text: str


async def copy_note(session: AsyncSession, note: TakenNote) -> None:
    await session.execute(sa.insert(NOTES).values(organization_id=note.organization_id, text=note.text))


HOME = "0190a0a0-0000-7000-8000-000000000001"


@asynccontextmanager
async def listening(process: Service, take: Any = copy_note) -> AsyncIterator[None]:
    """The scratch service answers on its internal port, and is its own sibling; `take` is what it does with a note."""
    handlers = {"note.taken": Handler(TakenNote, take)}
    app = webapp.internal_app("events", [inbox.router(INBOX, handlers)], process.settings)
    app.state.service = process
    bound = bind(0)
    port = bound.getsockname()[1]
    process.siblings = Siblings(Directory({"events": [f"http://127.0.0.1:{port}"]}, None), process.tokens)
    server = build_server(app, process.settings)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    yield
    await process.siblings.close()
    server.should_exit = True
    await task


async def publish(process: Service, *texts: str, key: str = "k") -> None:
    async with process.database.system() as session:
        for text in texts:
            await outbox.add(session, OUTBOX, NoteTaken(organization_id=HOME, text=text), to=("events",), key=key)


async def notes(process: Service) -> list[str]:
    async with process.database.system() as session:
        return list(await session.scalars(sa.select(NOTES.c.text).order_by(NOTES.c.id)))


async def eventually(process: Service, expected: list[str]) -> None:
    for _ in range(200):
        if await notes(process) == expected:
            return
        await asyncio.sleep(0.05)
    assert await notes(process) == expected


@pytest.fixture
async def relayed(process: Service) -> Service:
    process.start(outbox.Relay(OUTBOX).relay)
    return process


async def test_messages_arrive_in_order(relayed: Service) -> None:
    async with listening(relayed):
        await publish(relayed, "one", "two", "three")
        await eventually(relayed, ["one", "two", "three"])


async def test_messages_wait_for_a_reader_that_is_away(relayed: Service) -> None:
    await publish(relayed, "early")
    await asyncio.sleep(1.5)
    assert await notes(relayed) == []
    async with listening(relayed):
        await eventually(relayed, ["early"])


async def test_a_repeated_delivery_has_no_second_effect(relayed: Service) -> None:
    async with listening(relayed):
        await publish(relayed, "once")
        await eventually(relayed, ["once"])
        async with relayed.database.system() as session:
            await session.execute(sa.update(OUTBOX).values(delivered_at=None, due_at=clock.now()))
        await asyncio.sleep(1.5)
        async with relayed.database.system() as session:
            assert await session.scalar(sa.select(OUTBOX.c.delivered_at)) is not None
        assert await notes(relayed) == ["once"]


async def test_an_unreadable_message_blocks_its_key_alone(relayed: Service) -> None:
    async with listening(relayed):
        async with relayed.database.system() as session:
            bad = NoteTaken.model_construct(organization_id="nobody's", text="")
            await outbox.add(session, OUTBOX, bad, to=("events",), key="bad")
        await publish(relayed, "good", key="good")
        await eventually(relayed, ["good"])


async def publish_and_fail(process: Service) -> None:
    async with process.database.system() as session:
        await outbox.add(session, OUTBOX, NoteTaken(organization_id=HOME, text="no"), to=("events",), key="k")
        raise RuntimeError("rolled back")


async def test_a_message_leaves_only_with_its_change(relayed: Service) -> None:
    async with listening(relayed):
        with pytest.raises(RuntimeError):
            await publish_and_fail(relayed)
        await asyncio.sleep(1.2)
        assert await notes(relayed) == []


async def test_a_backlog_leaves_connections_to_requests(relayed: Service) -> None:
    at_once: list[int] = []
    under_way = 0

    async def slowly(session: AsyncSession, note: TakenNote) -> None:
        nonlocal under_way
        under_way += 1
        at_once.append(under_way)
        await asyncio.sleep(0.05)
        await copy_note(session, note)
        under_way -= 1

    async with listening(relayed, slowly):
        for number in range(20):
            await publish(relayed, "one of many", key=f"k{number}")
        await eventually(relayed, ["one of many"] * 20)
    assert max(at_once) == inbox.AT_ONCE
