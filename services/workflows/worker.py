"""The worker of the workflows service: wiring only."""

from services.workflows.jobs import audience, erasure, retention, runs
from services.workflows.storage.tables import outbox
from shared.outbox import Relay
from shared.worker import WorkerSettings


def create_worker() -> WorkerSettings:
    """One job that a wake-up names; loops that need none."""
    relay = Relay(outbox)
    return WorkerSettings(
        service="workflows",
        jobs=(runs.advance_due,),
        loops=(
            runs.hear_bell,
            runs.keep_leases,
            runs.sweep,
            runs.fire_timers,
            runs.let_go,
            runs.purge,
            audience.follow,
            erasure.erase,
            retention.retain,
            relay.relay,
        ),
        lifespan=runs.open_engine,
    )
