"""The worker's side of runs: what a wake-up does, and the loops that need none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

from services.workflows.domain import calls, sweeping, waiters
from services.workflows.domain.engine import HEARTBEAT_SECONDS, Engine
from services.workflows.domain.outside import Integrations, Rehearsals
from services.workflows.domain.platform import Platform
from services.workflows.domain.recorder import Recorder
from services.workflows.settings import Settings
from shared import bell, ids, jobs
from shared.database import Database
from shared.flags import RUN_GROUP_COMMIT, Flags
from shared.service import Service
from shared.testing import faults
from shared.testing.faults import failpoint

SWEEP_SECONDS = 1.0
QUICK_SECONDS = 0.05
PURGE_SECONDS = 600.0
LISTEN_SECONDS = 0.5


@asynccontextmanager
async def open_engine(service: Service) -> AsyncIterator[None]:
    """A lifespan that attaches the engine; on leaving it hands back what it still holds."""
    settings = service.settings
    if not isinstance(settings, Settings):
        raise TypeError("the workflows service needs its own settings")

    async def wake() -> None:
        await jobs.wake(service.redis, service.name, "advance_due")

    def shares(organization_id: UUID | None) -> bool:
        return service.part(Flags).enabled(RUN_GROUP_COMMIT, organization_id=organization_id)

    recorder = Recorder(service.database, partial(waiters.announce, service), shares)
    rehearsed = calls.Tools(
        Rehearsals(service.siblings, service.database), Platform(service.database, service.siblings, wake, dry=True)
    )
    tools = calls.Tools(
        Integrations(service.siblings), Platform(service.database, service.siblings, wake), dry=rehearsed
    )
    heart = Database(
        settings.database_url.get_secret_value(),
        settings.system_database_url.get_secret_value(),
        pool_size=1,
        instance=f"{settings.instance}-heart",
    )
    owner = f"{settings.instance}:{ids.new()}"
    engine = Engine(
        service.database,
        recorder,
        tools,
        heart=heart,
        owner=owner,
        slots=settings.run_slots,
        organization_slots=settings.organization_slots,
    )
    service.attach(engine)
    service.components["runs"] = partial(sweeping.due, service.database)
    try:
        yield
    finally:
        await engine.drain()
        await heart.close()


async def advance_due(service: Service) -> None:
    """What a wake-up does: lower the flag first, then take what is due."""
    if service.draining:
        return
    await jobs.awake(service.redis, service.name)
    await service.part(Engine).advance()
    failpoint("job-acknowledge")


async def hear_bell(service: Service) -> None:
    """Take what is due whenever the bell rings."""
    while not service.draining:
        if await bell.heard(service.redis, bell.key(service.name, "bell"), LISTEN_SECONDS):
            await service.part(Engine).advance()


async def keep_leases(service: Service) -> None:
    """The heartbeat, once what an earlier life of this instance held is due again."""
    engine = service.part(Engine)
    await engine.inherit()
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        await engine.renew()


async def sweep(service: Service) -> None:
    """Wake a worker for whatever is due, at the moment it is; take it oneself when nobody has heard."""
    if faults.active("sweeper-off"):
        await asyncio.Event().wait()
    pause = QUICK_SECONDS
    while True:
        patience = await sweeping.look(service.database)
        if patience > 0:
            pause = QUICK_SECONDS
            await asyncio.sleep(min(patience, SWEEP_SECONDS))
            continue
        unheard = pause > QUICK_SECONDS or not await jobs.wake(service.redis, service.name, "advance_due")
        if unheard and not service.draining:
            await service.part(Engine).advance()
        await asyncio.sleep(pause)
        pause = min(pause * 2, SWEEP_SECONDS)


async def fire_timers(service: Service) -> None:
    """Fire schedules, intervals and absences as they come due."""
    while True:
        fired, patience = await sweeping.fire_timers(service.database)
        if fired:
            await jobs.wake(service.redis, service.name, "advance_due")
        await asyncio.sleep(min(max(patience, 0.0), SWEEP_SECONDS))


async def let_go(service: Service) -> None:
    """Start what a concurrency limit held back, once there is room."""
    while True:
        if await sweeping.let_go(service.database):
            await jobs.wake(service.redis, service.name, "advance_due")
        await asyncio.sleep(SWEEP_SECONDS / 2)


async def purge(service: Service) -> None:
    """Forget what nobody will ask for again, every ten minutes."""
    while True:
        await asyncio.sleep(PURGE_SECONDS)
        await sweeping.purge(service.database)
