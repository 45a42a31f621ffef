"""Cursors of consumers: moved by whoever holds the lease, beside what was counted or alone."""

from collections.abc import Awaitable, Callable

import pytest
import sqlalchemy as sa

from services.events.storage import cursors
from services.events.storage.log import Position
from services.events.storage.tables import cursor
from shared import ids
from shared.database import Database
from tests.events.processes import Process

Move = Callable[[Database, str, int, Position], Awaitable[bool]]


async def move_in_a_transaction(database: Database, consumer: str, token: int, position: Position) -> bool:
    """The plain way, which may store something in the same transaction."""
    async with database.system() as session:
        return await cursors.move(session, consumer, token, position)


@pytest.mark.parametrize("move", [move_in_a_transaction, cursors.move_alone])
async def test_only_the_holder_moves_a_cursor_and_keeps_its_lease(service_events: Process, move: Move) -> None:
    database, name, upto = service_events.service.database, f"test-{ids.new()}", Position(1, 2, 3)
    async with database.system() as session:
        lease = await cursors.take(session, name)
    assert lease is not None
    token = lease[0]
    assert not await move(database, name, token + 1, upto)
    assert not await move(database, "somebody else", token, upto)
    async with database.system() as session:
        assert (await cursors.standings(session))[name] == Position(0, 0, 0)
        await cursors.release(session, name, token)
    assert await move(database, name, token, upto)
    async with database.system() as session:
        assert (await cursors.standings(session))[name] == upto
        left = "SELECT extract(epoch FROM leased_until - clock_timestamp())::float FROM cursor WHERE consumer = :name"
        seconds: float = (await session.execute(sa.text(left), {"name": name})).scalar_one()
        await session.execute(sa.delete(cursor).where(cursor.c.consumer == name))
    assert 9 < seconds <= cursors.LEASE.total_seconds()
