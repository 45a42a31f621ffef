"""Keeps up with who wants to hear of runs."""

import asyncio

from services.workflows.domain import audience
from shared import errors
from shared.service import Service

LOOK_SECONDS = 2.0


async def follow(service: Service) -> None:
    """Ask again and again; while nobody answers, those who listened last are told."""
    known = None
    while True:
        try:
            known = await audience.refresh(service.database, service.siblings, known)
        except errors.FloyoError:
            known = None
        await asyncio.sleep(LOOK_SECONDS)
