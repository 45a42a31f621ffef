"""Deletes what belongs to organisations that are gone."""

import asyncio

from services.workflows.domain import erasure
from shared.service import Service

LOOK_SECONDS = 5.0


async def erase(service: Service) -> None:
    """A batch at a time, with room for others between."""
    while True:
        erased = await erasure.erase(service.database)
        await asyncio.sleep(0.05 if erased else LOOK_SECONDS)
