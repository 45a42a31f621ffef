"""A scratch service named `probe`: one tenant table, outbox, inbox and idempotency keys on real servers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.ext.asyncio import create_async_engine

from infra.local.postgres import Postgres
from infra.local.valkey import Valkey
from shared import crypto, idempotency, migrate, outbox, service, tenancy
from shared import database as databases
from shared.database import Database
from shared.service import Service
from shared.settings import Settings
from tests.fixtures.servers import worker_name

metadata = databases.metadata()
NOTES = sa.Table(
    "note",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)
OUTBOX = outbox.outbox_table(metadata)
INBOX = outbox.inbox_table(metadata)
KEYS = idempotency.idempotency_table(metadata)


@dataclass(frozen=True)
class Probe:
    """Addresses of the scratch service's two roles."""

    url: str
    system_url: str


@pytest.fixture(scope="session")
def probe(postgres: Postgres) -> Probe:
    name = f"probe_{worker_name()}"
    passwords = {f"{name}_{kind}": crypto.random_token(12) for kind in migrate.ROLE_KINDS}
    asyncio.run(migrate.bootstrap(postgres.dsn(), passwords, {name: name}))

    def address(kind: str) -> str:
        return f"postgresql://{name}_{kind}:{passwords[f'{name}_{kind}']}@127.0.0.1:{postgres.port}/{name}"

    asyncio.run(_create(name, address("owner")))
    return Probe(address("api"), address("system"))


async def _create(name: str, owner_url: str) -> None:
    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://"))

    def build(connection: sa.Connection) -> None:
        metadata.create_all(connection)
        with Operations.context(MigrationContext.configure(connection)):
            connection.execute(sa.text(f"GRANT USAGE ON SCHEMA public TO {name}_api, {name}_system"))
            tenancy.protect(name, "note")
            tenancy.protect(name, "idempotency_key")
            tenancy.grant(name, "outbox")
            tenancy.grant(name, "inbox")

    async with engine.begin() as connection:
        await connection.run_sync(build)
    await engine.dispose()


@pytest.fixture
async def database(probe: Probe) -> AsyncIterator[Database]:
    opened = Database(probe.url, probe.system_url, pool_size=5)
    yield opened
    async with opened.system() as session:
        for table in metadata.sorted_tables:
            await session.execute(sa.delete(table))
    await opened.close()


@pytest.fixture
async def process(probe: Probe, database: Database, valkey: Valkey) -> AsyncIterator[Service]:
    """A whole process of the scratch service, its own sibling too; nothing listens yet."""
    seed = crypto.random_token(32)
    built = service.build(
        "events",
        Settings(
            environment="test",
            secret_key=crypto.random_token(48),
            database_url=probe.url,
            system_database_url=probe.system_url,
            redis_url=valkey.url("events"),
            service_key=seed,
            service_public_keys={"events": crypto.public_text(crypto.private_key(seed))},
        ),
    )
    async with service.opened(built, None):
        yield built
