"""A migrated workflows database for each test worker, emptied before each test that asks for it."""

import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from sqlalchemy import text

from infra.local.postgres import Postgres
from infra.local.valkey import Valkey
from services.workflows.settings import Settings
from services.workflows.storage import tables
from shared import migrate, service
from shared.service import Service
from tests.fixtures.servers import worker_name
from tests.workflows.stage import Stage
from tests.workflows.tokens import SEED, public_keys


def address(server: Postgres, role: str, database: str) -> str:
    return f"postgresql://workflows_{role}:in-tests@127.0.0.1:{server.port}/{database}"


@pytest.fixture(scope="session")
async def workflows_database(postgres: Postgres) -> AsyncIterator[str]:
    """The name of a database at the newest revision."""
    name = f"workflows_{worker_name()}"
    passwords = {f"workflows_{kind}": "in-tests" for kind in migrate.ROLE_KINDS}
    await migrate.bootstrap(postgres.dsn(), passwords, {"workflows": name})
    await _in_thread(migrate.upgrade, "workflows", address(postgres, "owner", name))
    yield name
    connection = await asyncpg.connect(postgres.dsn())
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


async def _in_thread(function: object, *arguments: object) -> None:
    import asyncio

    await asyncio.to_thread(function, *arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def workflows_settings(postgres: Postgres, valkey: Valkey, workflows_database: str) -> Iterator[Settings]:
    before = os.environ.get("FLOYO_ENVIRONMENT")
    os.environ["FLOYO_ENVIRONMENT"] = "test"
    yield Settings(
        environment="test",
        secret_key="0123456789abcdefghijklmnopqrstuvwxyz-in-tests",
        database_url=address(postgres, "api", workflows_database),
        system_database_url=address(postgres, "system", workflows_database),
        redis_url=valkey.url("workflows"),
        service_key=SEED,
        service_public_keys=public_keys(),
        public_url="http://127.0.0.1:8080",
    )
    if before is None:
        del os.environ["FLOYO_ENVIRONMENT"]
    else:
        os.environ["FLOYO_ENVIRONMENT"] = before


@pytest.fixture
async def service_workflows(workflows_settings: Settings) -> AsyncIterator[Service]:
    """A process of the service on an empty database."""
    process = service.build("workflows", workflows_settings)
    names = ", ".join(table.name for table in tables.metadata.sorted_tables)
    async with process.database.system() as session:
        for name in names.split(", "):
            await session.execute(text(f"DELETE FROM {name}" if name != "workflow" else "SELECT 1"))
        await session.execute(text("DELETE FROM workflow"))
    yield process
    await process.close()


@pytest.fixture
def stage(service_workflows: Service) -> Stage:
    """One organisation on an empty database."""
    return Stage(service_workflows)
