"""How PostgreSQL reads the log for those who follow it: a stretch by the index of positions, never all of it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import log, stats
from services.events.storage.log import Position, Span
from shared import ids
from shared.database import raw
from tests.events.processes import Process, Tenant

AFTER, UPTO = Position(1, 1, 1), Position(1, 9, 9)
READERS: dict[str, Callable[[AsyncSession], Awaitable[Any]]] = {
    "reach": lambda session: log.reach(session, AFTER, 500),
    "candidates": lambda session: log.candidates(session, AFTER, UPTO, 500),
    "between": lambda session: log.between(session, [ids.new()], Span(AFTER, UPTO), 500),
    "count": lambda session: stats.count(session, AFTER, UPTO),
}


@pytest.mark.parametrize("name", READERS)
async def test_a_stretch_is_read_by_positions(
    service_events: Process, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with service_events.service.database.system() as session:
        plans: list[str] = []
        execute = AsyncSession.execute

        async def explained(self: Any, statement: Any, *given: Any, **more: Any) -> Any:
            if self is session and "FROM event" in str(statement):
                rows = await execute(self, sa.text(f"EXPLAIN {statement}"), *given, **more)
                plans.append("\n".join(row[0] for row in rows))
            return await execute(self, statement, *given, **more)

        monkeypatch.setattr(AsyncSession, "execute", explained)
        await log.read_in_order(session)
        await READERS[name](session)
    (plan,) = plans
    assert "epoch_xid_sequence_idx" in plan
    assert "time_id_idx" not in plan
    assert "Seq Scan on event_" not in plan


async def _finds(process: Process, position: Position) -> tuple[bool, bool]:
    """What the look says of a position, and what the reading does."""
    database = process.service.database
    async with database.system() as session:
        await log.read_in_order(session)
        upto, _ = await log.reach(session, position, 500)
    return await log.is_beyond(database, position), upto > position


async def test_a_look_finds_what_a_reading_would(service_events: Process, tenant: Tenant) -> None:
    database = service_events.service.database
    async with database.system() as session:
        before = await log.head(session)
    assert await _finds(service_events, before) == (False, False)
    async with database.system() as writing:
        await writing.execute(sa.text("SELECT pg_current_xact_id()"))  # whoever writes holds back what is written later
        assert (await tenant.post({"type": "seen", "source": "test"})).status_code == 201
        assert await _finds(service_events, before) == (False, False)
    assert await _finds(service_events, before) == (True, True)
    async with database.system() as session:
        after = await log.head(session)
    assert await _finds(service_events, after) == (False, False)


async def test_a_look_goes_by_positions_although_its_plan_is_kept(service_events: Process) -> None:
    async with service_events.service.database.system() as session:
        connection = await raw(session)
        await connection.execute(f"SET LOCAL plan_cache_mode = force_generic_plan; PREPARE look AS {log.ANYTHING}")
        rows = await connection.fetch("EXPLAIN EXECUTE look(1, 1, 1)")
        await connection.execute("DEALLOCATE look")
    plan = "\n".join(row[0] for row in rows)
    assert "epoch_xid_sequence_idx" in plan
    assert "Seq Scan on event_" not in plan
