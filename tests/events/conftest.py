"""An events database of this worker, migrated, and processes of the service on it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from infra.local.postgres import Postgres
from infra.local.valkey import Valkey
from services.events.jobs import log
from services.events.settings import Settings
from shared import crypto, service
from shared.service import Service
from tests.events.processes import SECRET, SEEDS, Process, Tenant, running
from tests.events.siblings import Workflows, answering
from tests.fixtures import databases
from tests.fixtures.servers import worker_name


@pytest.fixture(scope="session")
def events_urls(postgres: Postgres) -> dict[str, str]:
    """Addresses of a migrated database of this worker by role: api, system, owner, admin."""
    return databases.migrated(postgres, "events", f"events_{worker_name()}")


def settings_of(urls: dict[str, str], valkey: Valkey, name: str, **more: Any) -> Settings:
    """Settings for one process; `more` replaces fields."""
    fields: dict[str, Any] = {
        "environment": "test",
        "instance": f"{name}-test",
        "secret_key": SECRET,
        "database_url": urls["api"],
        "system_database_url": urls["system"],
        "redis_url": valkey.url("events"),
        "service_key": SEEDS["events"],
        "service_public_keys": {name: crypto.public_text(crypto.private_key(seed)) for name, seed in SEEDS.items()},
    }
    return Settings(**{**fields, **more})


@pytest.fixture(scope="session")
async def service_events(events_urls: dict[str, str], valkey: Valkey, workflows: Workflows) -> AsyncIterator[Process]:
    """An API process with its public and internal application, answering in this event loop."""
    siblings = {"workflows": [workflows.url], "integrations": [workflows.url]}
    settings = settings_of(events_urls, valkey, "events", siblings=siblings)
    async with running(settings) as process:
        yield process


@pytest.fixture
def tenant(service_events: Process) -> Tenant:
    """A fresh organisation's owner."""
    return Tenant(service_events)


@pytest.fixture(scope="session")
async def workflows() -> AsyncIterator[Workflows]:
    """What answers as workflows."""
    async with answering() as sibling:
        yield sibling


@pytest.fixture(scope="session")
async def service_worker(events_urls: dict[str, str], valkey: Valkey, workflows: Workflows) -> AsyncIterator[Service]:
    """A worker of the service: its loops, without arq."""
    settings = settings_of(events_urls, valkey, "events-worker", siblings={"workflows": [workflows.url]})
    held = service.build("events", settings)
    async with service.opened(held, log.lifespan):
        for loop in (log.publish_signals, log.follow_log, log.work):
            held.start(loop)
        yield held
