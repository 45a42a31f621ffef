"""What auth's work needs besides a transaction, opened once a process."""

import asyncio
import base64
import math
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from services.auth.domain.passwords import Passwords
from services.auth.domain.signingkeys import SigningKeys
from services.auth.settings import Settings
from shared import crypto, errors, log, tracing
from shared.database import Database
from shared.ratelimit import Limiter

SEAL_ID = "s1"
CLOSE_SECONDS = 2.0

_log = log.get(__name__)


@dataclass(frozen=True)
class Context:
    """The parts of one process; the database is here because checking a password must not hold a transaction open."""

    settings: Settings
    database: Database
    seal: crypto.KeyRing
    keys: SigningKeys
    passwords: Passwords
    limiter: Limiter
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something whose length no answer may show; it is given up when the database is away."""
        task = asyncio.create_task(_tolerated(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def close(self) -> None:
        """Ends what is under way."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=CLOSE_SECONDS)
        await self.passwords.close()


async def _tolerated(work: Coroutine[Any, Any, None]) -> None:
    tracing.bound(math.inf)  # whoever asked is answered by now
    try:
        await work
    except errors.FloyoError as error:
        _log.warning("work-beside-failed", problem=error.slug)


def build(settings: Settings, database: Database, limiter: Limiter) -> Context:
    """Opens nothing yet."""
    seal = crypto.KeyRing({SEAL_ID: seal_key(settings.secret_key.get_secret_value())})
    return Context(
        settings=settings,
        database=database,
        seal=seal,
        keys=SigningKeys(database, seal),
        passwords=Passwords(settings.password_processes, settings.password_queue),
        limiter=limiter,
    )


def seal_key(secret: str) -> str:
    """The Fernet key that follows from the secret key."""
    return base64.urlsafe_b64encode(crypto.sign(secret, "auth-seal", b"")).decode()
