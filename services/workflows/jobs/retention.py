"""Makes months for runs ahead of time, and lets go of old ones."""

import asyncio

from services.workflows.domain import retention
from services.workflows.settings import Settings
from shared.service import Service

LOOK_SECONDS = 600.0


async def retain(service: Service) -> None:
    """At once, because a month may have begun while nobody worked; then every ten minutes."""
    settings = service.settings
    if not isinstance(settings, Settings):
        raise TypeError("the workflows service needs its own settings")
    while True:
        await retention.make_ahead(service.database)
        await retention.retain(service.database, days=settings.run_days, most=settings.run_count)
        await asyncio.sleep(LOOK_SECONDS)
