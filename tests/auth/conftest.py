"""An auth database of this worker, migrated, a mail server, and processes of the service on them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from infra.local import ports
from infra.local.postgres import Postgres
from infra.local.valkey import Valkey
from services.auth.settings import Settings
from shared import crypto
from tests.auth.processes import PUBLIC_URL, SEEDS, Mailbox, Person, Process, running
from tests.fixtures import databases
from tests.fixtures.servers import worker_name


@pytest.fixture(scope="session")
def auth_urls(postgres: Postgres) -> dict[str, str]:
    """Addresses of a migrated database of this worker by role: api, system, owner, admin."""
    return databases.migrated(postgres, "auth", f"auth_{worker_name()}")


@pytest.fixture(scope="session")
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    """A mail server on loopback, and its address."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=ports.free())
    controller.start()
    yield box, f"smtp://127.0.0.1:{controller.port}"
    controller.stop()


@pytest.fixture(scope="session")
def auth_settings(auth_urls: dict[str, str], valkey: Valkey, mailbox: tuple[Mailbox, str]) -> Callable[..., Settings]:
    """Settings for one process; arguments replace fields."""

    def build(**more: Any) -> Settings:
        fields: dict[str, Any] = {
            "environment": "test",
            "instance": "auth-test",
            "secret_key": "0123456789abcdefghijklmnopqrstuvwxyz-in-tests",
            "database_url": auth_urls["api"],
            "system_database_url": auth_urls["system"],
            "redis_url": valkey.url("auth"),
            "service_key": SEEDS["auth"],
            "service_public_keys": {name: crypto.public_text(crypto.private_key(seed)) for name, seed in SEEDS.items()},
            "public_url": PUBLIC_URL,
            "smtp_url": mailbox[1],
        }
        return Settings(**{**fields, **more})

    return build


@pytest.fixture(scope="session")
async def service_auth(auth_settings: Callable[..., Settings], mailbox: tuple[Mailbox, str]) -> AsyncIterator[Process]:
    """An API process with its public and internal application, answering in this event loop."""
    async with running(auth_settings(), mailbox[0]) as process:
        yield process


@pytest.fixture
def join(service_auth: Process) -> Callable[[], Awaitable[Person]]:
    """Registers somebody and logs them in."""

    async def register() -> Person:
        return await Person(service_auth).join()

    return register


@pytest.fixture
def colleague(service_auth: Process) -> Callable[..., Awaitable[Person]]:
    """Registers somebody, invites them to an organisation with a role, and switches there."""

    async def invite(owner: Person, role: str) -> Person:
        person = await Person(service_auth).join()
        path = f"/organizations/{owner.organization_id}/invitations"
        await owner.ok("POST", path, 201, json={"email": person.email, "role": role})
        await service_auth.deliver()
        token = service_auth.mailbox.tokens(person.email)[-1]
        await person.ok("POST", "/organizations/invitations/accept", json={"token": token})
        return await person.switch(owner.organization_id)

    return invite
