"""The schema: migrations up and down, no drift, walls between organisations."""

from uuid import UUID

import asyncpg
import pytest

from infra.local.postgres import Postgres
from services.events.storage.tables import TENANT_TABLES
from shared import ids, migrate
from tests.fixtures import databases
from tests.fixtures.servers import worker_name


@pytest.fixture(scope="module")
def fresh(postgres: Postgres, events_urls: dict[str, str]) -> str:
    """The owner's address of an empty database."""
    return databases.empty(postgres, "events", f"events_fresh_{worker_name()}")["owner"]


def test_up_down_up_leaves_no_difference(fresh: str) -> None:
    migrate.upgrade("events", fresh)
    migrate.downgrade("events", fresh, "base")
    migrate.upgrade("events", fresh)
    migrate.check("events", fresh)


async def test_every_tenant_table_has_its_second_wall(events_urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(events_urls["api"])
    try:
        for table in TENANT_TABLES:
            assert await connection.fetchval(f"SELECT count(*) FROM {table.name}") == 0, table.name
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO retention (organization_id, days, changed_at) VALUES ($1, 1, now())", ids.new()
            )
    finally:
        await connection.close()


async def test_partitions_carry_no_grants(events_urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(events_urls["api"])
    try:
        name = await connection.fetchval("SELECT inhrelid::regclass::text FROM pg_inherits LIMIT 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"SELECT 1 FROM {name}")
    finally:
        await connection.close()


async def test_partition_bounds_follow_the_months(events_urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(events_urls["owner"])
    try:
        bound = await connection.fetchval("SELECT uuid_bound('2026-03-01T00:00:00Z'::timestamptz)")
        assert UUID(str(bound)) == UUID(int=1772323200000 << 80)
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await connection.fetchval("SELECT ensure_event_partition('1999-01-01'::timestamptz)")
    finally:
        await connection.close()
