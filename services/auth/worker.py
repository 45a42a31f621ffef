"""Auth's worker: letters, deliveries to siblings, and forgetting."""

from services.auth.deps import lifespan
from services.auth.jobs import letters, upkeep
from services.auth.storage.tables import outbox
from shared.outbox import Relay
from shared.worker import WorkerSettings


def create_worker() -> WorkerSettings:
    """What the process does."""
    return WorkerSettings(
        service="auth",
        jobs=[letters.send_letters],
        loops=[letters.sweep_letters, upkeep.forget, Relay(outbox).relay],
        lifespan=lifespan,
    )
