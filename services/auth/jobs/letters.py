"""Sending letters: when woken, and by sweeping when the wake-up was lost."""

import asyncio

from services.auth.clients.smtp import Postman
from services.auth.domain import post
from services.auth.domain.context import Context
from shared import jobs
from shared.service import Service

SWEEP_SECONDS = 1.0


async def send_letters(service: Service) -> None:
    """Sends everything that is due."""
    await jobs.awake(service.redis, service.name)
    context = service.part(Context)
    if context.settings.smtp_url is None:
        return
    postman = Postman(context.settings.smtp_url.get_secret_value(), context.settings.mail_from)
    try:
        taken = 1
        while taken:
            taken = await post.send_due(context, postman)
    finally:
        await postman.close()


async def sweep_letters(service: Service) -> None:
    """Looks for due letters every second, for ever; a loop of the worker."""
    while True:
        if await post.any_due(service.database):
            await send_letters(service)
        await asyncio.sleep(SWEEP_SECONDS)
