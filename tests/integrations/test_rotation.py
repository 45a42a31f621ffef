"""Rotation of the vault's keys: in batches, resumable, shared, and complete."""

import asyncio
import json
import os
import subprocess
import sys
from uuid import UUID

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from services.integrations.domain import credentials, integrations, rotation
from services.integrations.settings import Settings
from services.integrations.storage.tables import integration, outbox, webhook
from shared.crypto import KeyRing
from shared.database import Database
from shared.service import Service
from tests.integrations.conftest import CREDENTIAL_KEYS, Person
from tests.shared.outbound import Canary

OLD = CREDENTIAL_KEYS.partition(":")[2]
NEW = Fernet.generate_key().decode()


def ring(**keys: str) -> KeyRing:
    return KeyRing(keys)


@pytest.fixture(autouse=True)
async def nothing_else(service_integrations: Service) -> None:
    """Other tests leave secrets that do not open, on purpose."""
    async with service_integrations.database.system() as session:
        for table in (webhook, integration):
            await session.execute(sa.delete(table))


async def key_ids(database: Database, person: Person) -> list[str]:
    async with database.system() as session:
        rows = await session.execute(sa.select(integration.c.key_id).filter_by(organization_id=person.organization_id))
        return sorted(rows.scalars())


async def fill(person: Person, canary: Canary, count: int) -> list[UUID]:
    settings = {"base_url": canary.url, "auth": "bearer"}
    return [UUID((await person.create("http", settings, {"token": f"t-{n}"}))["id"]) for n in range(count)]


async def test_everything_opens_without_the_old_key(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    database = service_integrations.database
    made = await fill(admin, canary, 7)
    hook = await admin.api.post(f"/integrations/{made[0]}/hooks", json={"scheme": "github"})
    made_too = await admin.api.post("/webhooks", json={"url": canary.url})
    assert (hook.status_code, made_too.status_code) == (201, 201)
    both = ring(k2=NEW, k1=OLD)
    found = await asyncio.gather(*(rotation.rewrap(database, both, batch=2) for _ in range(3)))
    last = await rotation.rewrap(database, both, batch=2)
    assert sum(item.rewrapped for item in found) + last.rewrapped >= 9
    assert await key_ids(database, admin) == ["k2"] * 7
    async with database.session(admin.organization_id) as session:
        secrets = [
            integrations.unseal(ring(k2=NEW), await integrations.get(session, admin.organization_id, one))
            for one in made
        ]
    assert secrets == [{"token": f"t-{n}"} for n in range(7)]
    await rotation.rewrap(database, ring(k1=OLD, k2=NEW))
    assert await key_ids(database, admin) == ["k1"] * 7
    told = sa.select(outbox.c.body).where(outbox.c.type == "audit.recorded").order_by(outbox.c.position.desc()).limit(1)
    async with database.system() as session:
        body = (await session.scalars(told)).one()
    assert (body["actor"], body["action"], body["target"]) == ("operator", "credentials.resealed", "k1")
    assert body["details"]["rows"] >= 9


async def test_a_rotation_that_dies_goes_on(
    admin: Person, canary: Canary, service_integrations: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = service_integrations.database
    await fill(admin, canary, 6)
    calls = 0
    seal = credentials.seal

    def failing(*arguments: object) -> tuple[str, bytes]:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise RuntimeError("killed")
        return seal(*arguments)  # type: ignore[arg-type]

    await rotation.rewrap(database, ring(k1=OLD, k2=NEW))
    both = ring(k2=NEW, k1=OLD)
    monkeypatch.setattr(credentials, "seal", failing)
    with pytest.raises(RuntimeError):
        await rotation.rewrap(database, both, batch=2)
    monkeypatch.setattr(credentials, "seal", seal)
    await rotation.rewrap(database, both, batch=2)
    assert await key_ids(database, admin) == ["k2"] * 6
    await rotation.rewrap(database, ring(k1=OLD, k2=NEW))


async def test_what_no_key_opens_is_counted_and_left(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    database = service_integrations.database
    (broken,) = await fill(admin, canary, 1)
    async with database.system() as session:
        lost = sa.update(integration).where(integration.c.id == broken).values(key_id="lost")
        await session.execute(lost)
    progress = await rotation.rewrap(database, ring(k1=OLD, k2=NEW))
    assert progress.unusable >= 1
    assert progress.left >= 1
    async with database.system() as session:
        await session.execute(sa.delete(integration).where(integration.c.id == broken))


async def test_the_command(admin: Person, canary: Canary, settings: Settings, service_integrations: Service) -> None:
    await fill(admin, canary, 2)
    values = {
        "ENVIRONMENT": "test",
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "SYSTEM_DATABASE_URL": settings.system_database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SERVICE_KEY": settings.service_key.get_secret_value(),
        "SERVICE_PUBLIC_KEYS": json.dumps(settings.service_public_keys),
        "CREDENTIAL_KEYS": f"k2:{NEW},k1:{OLD}",
    }
    environment = {**os.environ, **{f"FLOYO_{name}": value for name, value in values.items()}}
    command = [sys.executable, "-m", "services.integrations.jobs.rotation"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )
    progress = json.loads(done.stdout)
    assert (done.returncode, progress["left"], progress["unusable"]) == (0, 0, 0), done.stderr
    assert progress["rewrapped"] >= 2
    assert await key_ids(service_integrations.database, admin) == ["k2", "k2"]
    await rotation.rewrap(service_integrations.database, ring(k1=OLD, k2=NEW))
