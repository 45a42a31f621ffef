"""Forgetting what is over: sessions, links, revocations."""

import asyncio

from services.auth.domain import links, revocations, sessions
from services.auth.domain.context import Context
from shared.service import Service

EVERY_SECONDS = 300.0


async def forget(service: Service) -> None:
    """Purges for ever; a loop of the worker."""
    context = service.part(Context)
    while True:
        await sessions.purge(context)
        await links.purge(context.database)
        await revocations.purge(context.database)
        await asyncio.sleep(EVERY_SECONDS)
