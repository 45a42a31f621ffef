"""A migrated workflows database for each test worker, emptied before each test that asks for it."""

import os
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from infra.local.postgres import Postgres
from infra.local.valkey import Valkey
from services.workflows import app as applications
from services.workflows.deps import open_waiters
from services.workflows.settings import Settings
from services.workflows.storage import tables
from shared import service
from shared.identity import Verifier
from shared.service import Service
from tests.fixtures import databases
from tests.fixtures.servers import worker_name
from tests.workflows.stage import Stage
from tests.workflows.tokens import ISSUER, SEED, Auth, public_keys


@pytest.fixture(scope="session")
def workflows_urls(postgres: Postgres) -> dict[str, str]:
    """Addresses of a migrated database of this worker by role."""
    return databases.migrated(postgres, "workflows", f"workflows_{worker_name()}")


@pytest.fixture(scope="session")
def workflows_settings(valkey: Valkey, workflows_urls: dict[str, str]) -> Iterator[Settings]:
    before = os.environ.get("FLOYO_ENVIRONMENT")
    os.environ["FLOYO_ENVIRONMENT"] = "test"
    yield Settings(
        environment="test",
        secret_key="0123456789abcdefghijklmnopqrstuvwxyz-in-tests",
        database_url=workflows_urls["api"],
        system_database_url=workflows_urls["system"],
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
    async with process.database.system() as session:
        for table in reversed(tables.metadata.sorted_tables):
            await session.execute(table.delete())
    yield process
    await process.close()


@pytest.fixture
def stage(service_workflows: Service) -> Stage:
    """One organisation on an empty database."""
    return Stage(service_workflows)


@pytest.fixture
async def public(service_workflows: Service, workflows_settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    service_workflows.verifier = Verifier(Auth(), ISSUER)
    app = applications.create_app(workflows_settings)
    app.state.service = service_workflows
    transport = httpx2.ASGITransport(app=app)
    client = httpx2.AsyncClient(transport=transport, base_url="http://floyo/api/v1")
    async with open_waiters(service_workflows), client:
        yield client


@pytest.fixture
async def internal(service_workflows: Service, workflows_settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    app = applications.create_internal_app(workflows_settings)
    app.state.service = service_workflows
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://floyo") as client:
        yield client
