"""Two walls between organisations, commits before answers, and faults that become 503."""

import asyncio
import contextlib
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from shared import errors
from shared.database import Database
from tests.shared.conftest import NOTES, Probe

HOME, FOREIGN = uuid4(), uuid4()


async def write(database: Database, organization: UUID, text: str) -> None:
    async with database.session(organization) as session:
        await session.execute(sa.insert(NOTES).values(organization_id=organization, text=text))


async def read(database: Database, organization: UUID | None) -> list[str]:
    async with database.session(organization) as session:
        return list(await session.scalars(sa.select(NOTES.c.text)))


async def test_an_organisation_sees_its_own_rows_alone(database: Database) -> None:
    await write(database, HOME, "ours")
    await write(database, FOREIGN, "theirs")
    assert await read(database, HOME) == ["ours"]
    assert await read(database, FOREIGN) == ["theirs"]


async def test_without_an_organisation_nothing_is_seen_on_fresh_and_reused_connections(database: Database) -> None:
    assert await read(database, None) == []
    await write(database, HOME, "ours")
    for _ in range(8):
        assert await read(database, HOME) == ["ours"]
        assert await read(database, None) == []


async def test_rows_for_another_organisation_cannot_be_written(database: Database) -> None:
    async with database.session(HOME) as session:
        with pytest.raises(sa.exc.ProgrammingError, match="row-level security"):
            await session.execute(sa.insert(NOTES).values(organization_id=FOREIGN, text="planted"))
        await session.rollback()


async def test_the_system_role_sees_everything(database: Database) -> None:
    await write(database, HOME, "ours")
    await write(database, FOREIGN, "theirs")
    async with database.system() as session:
        assert set(await session.scalars(sa.select(NOTES.c.text))) == {"ours", "theirs"}


async def test_an_error_rolls_back(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.session(HOME) as session:
            await session.execute(sa.insert(NOTES).values(organization_id=HOME, text="never"))
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await write_and_fail()
    assert await read(database, HOME) == []


async def test_an_exhausted_pool_is_unavailable_and_recovers(probe: Probe) -> None:
    small = Database(probe.url, probe.system_url, pool_size=1)
    release = asyncio.Event()

    async def hold() -> None:
        async with small.session(HOME):
            await release.wait()

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0.1)
    waiter = asyncio.create_task(read(small, HOME))
    await asyncio.sleep(0.2)
    assert (small.figures().checked_out, small.figures().waiting) == (1, 1)
    with pytest.raises(errors.Unavailable) as refused:
        await waiter
    assert refused.value.headers["Retry-After"] == "1"
    release.set()
    await holder
    assert await read(small, HOME) == []
    await small.close()


async def test_nobody_who_comes_later_passes_those_who_wait_for_a_connection(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody comes at every turn of the loop, and so just as a connection comes back, too."""
    monkeypatch.setattr("shared.pool.WAITING_EACH", 1_000)
    monkeypatch.setattr("shared.pool.POOL_TIMEOUT", 30.0)
    small = Database(probe.url, probe.system_url, pool_size=1)
    served: list[int] = []

    async def use(number: int) -> None:
        async with small.session(HOME):
            served.append(number)

    await read(small, HOME)
    async with asyncio.TaskGroup() as group:
        for number in range(400):
            group.create_task(use(number))
            await asyncio.sleep(0)
    assert served == list(range(400))
    await small.close()


async def test_whatever_an_ended_server_process_leaves_is_unavailable_and_recovers(
    database: Database, probe: Probe
) -> None:
    """Its last words may have come before its end is known: such a connection takes no statement."""
    small = Database(probe.url, probe.system_url, pool_size=1)
    for _ in range(40):
        async with small.statements() as idle:
            pid = await idle.fetchval("SELECT pg_backend_pid()")
        async with database.statements() as other:
            assert await other.fetchval("SELECT pg_terminate_backend($1, 1000)", pid)
        with contextlib.suppress(errors.Unavailable):
            async with small.statements() as ended:
                await ended.fetchval("SELECT 1")
        async with small.statements() as fresh:
            assert await fresh.fetchval("SELECT 1") == 1
    await small.close()


async def backend(database: Database) -> int:
    async with database.statements() as connection:
        return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def test_statements_share_a_connection_and_yield_it_to_whoever_needs_one(probe: Probe) -> None:
    small = Database(probe.url, probe.system_url, pool_size=1)
    first = await backend(small)
    assert await backend(small) == first
    assert small.figures().checked_out == 0
    async with small.system() as session:
        assert await session.scalar(sa.text("SELECT pg_backend_pid()")) == first
        assert small.figures().checked_out == 1
    await small.close()


async def test_a_crowd_finds_every_connection_that_statements_had_kept(probe: Probe) -> None:
    small = Database(probe.url, probe.system_url, pool_size=3)
    async with small.statements(), small.statements(), small.statements():
        pass
    release = asyncio.Event()

    async def hold() -> None:
        async with small.system() as session:
            await session.execute(sa.text("SELECT 1"))
            await release.wait()

    holders = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0.2)
    assert (small.figures().checked_out, small.figures().waiting) == (3, 0)
    release.set()
    await asyncio.gather(*holders)
    await small.close()


async def test_a_connection_that_broke_off_serves_no_more_statements(database: Database) -> None:
    ended = await backend(database)
    async with database.system() as session:
        await session.execute(sa.text("SELECT pg_terminate_backend(:pid, 1000)"), {"pid": ended})
    await asyncio.sleep(0.1)
    following = await backend(database)
    assert following != ended
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), database.statements() as connection:
            await connection.execute("SELECT pg_sleep(5)")
    assert await backend(database) != following


async def test_no_server_is_unavailable(probe: Probe) -> None:
    nowhere = Database("postgresql://x:y@127.0.0.1:1/x", "postgresql://x:y@127.0.0.1:1/x")
    with pytest.raises(errors.Unavailable):
        await nowhere.ping()
    await nowhere.close()


async def test_transactions_are_bounded_by_the_role(database: Database) -> None:
    async with database.session(HOME) as session:
        limits = [
            await session.scalar(sa.text(f"SHOW {name}")) for name in ("transaction_timeout", "statement_timeout")
        ]
    assert limits == ["10s", "10s"]
