"""Forwarding of deliveries: at once when woken, and by a sweep when nobody wakes."""

import asyncio
import itertools

from services.integrations.domain import hooks
from shared import jobs
from shared.service import Service

SWEEP_SECONDS = 1.0
PURGE_EVERY = 3_600


async def forward_deliveries(service: Service) -> None:
    """Forwards until nothing is due."""
    await jobs.awake(service.redis, service.name)
    while await hooks.forward(service.database, service.siblings):
        continue


async def sweep_deliveries(service: Service) -> None:
    """Forwards what no wake-up told of, and forgets old ids; a loop of the worker."""
    for turn in itertools.count():
        if not await hooks.forward(service.database, service.siblings):
            await asyncio.sleep(SWEEP_SECONDS)
        if turn % PURGE_EVERY == 0:
            await hooks.purge(service.database)
