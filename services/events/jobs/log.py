"""The worker's side of the event log: consumers, long work, partitions made ahead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.events.domain import discovery, erasure, housekeeping, signals, stats, tail, triggers, uploads
from services.events.domain.jobs import Desk, due
from services.events.domain.signals import Signals
from services.events.domain.tail import Consumer, Waker
from shared import errors, jobs, log
from shared.service import Service

TASKS = {"mining": discovery.run, "upload": uploads.run, "erasure": erasure.run}
HOUSEKEEPING_SECONDS = 60.0
EXPIRY_ROUNDS = 60

_log = log.get(__name__)


@asynccontextmanager
async def lifespan(service: Service) -> AsyncIterator[None]:
    """Parts of a worker process."""
    service.attach(Signals())
    service.attach(Desk(TASKS))
    service.components |= {"tail": partial(tail.describe, service.database), "jobs": partial(due, service.database)}
    yield


async def publish_signals(service: Service) -> None:
    """A loop: announcements of this process."""
    await service.part(Signals).publish(service)


async def follow_log(service: Service) -> None:
    """A loop: the consumers and what wakes them."""
    hub = service.part(Signals)
    matching = Consumer(
        "triggers", Waker(), triggers.BATCH, triggers.MAX_CANDIDATES,
        read=triggers.read, act=triggers.act, idle=triggers.catch_up,
    )  # fmt: skip
    counting = Consumer(stats.CONSUMER, Waker(), stats.BATCH, store=stats.store)  # nobody wakes it: once a second
    hub.hear(signals.EVENTS, matching.waker.hear)
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.listen(service))
        for consumer in (matching, counting):
            group.create_task(consumer.run(service))


async def work(service: Service) -> None:
    """A loop: jobs that are due."""
    await service.part(Desk).work(service)


async def keep_house(service: Service) -> None:
    """A loop: partitions ahead, old rows away."""
    rounds = 0
    while True:
        try:
            await housekeeping.tidy(service)
            if rounds % EXPIRY_ROUNDS == 0:
                await erasure.expire(service, getattr(service.settings, "retention_days", 365))
            rounds += 1
        except errors.FloyoError as error:
            _log.warning("housekeeping-postponed", problem=error.slug)
        await asyncio.sleep(HOUSEKEEPING_SECONDS)


async def advance_due(service: Service) -> None:
    """What a wake-up does: lower the flag first, then look for due jobs."""
    await jobs.awake(service.redis, service.name)
    service.part(Desk).wake()
