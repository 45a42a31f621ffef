"""The worker of the events service: wiring only."""

from services.events.jobs import log
from services.events.storage.tables import outbox_message
from shared.outbox import Relay
from shared.worker import WorkerSettings


def create_worker() -> WorkerSettings:
    """One job that a wake-up names; loops that need none."""
    relay = Relay(outbox_message)
    return WorkerSettings(
        service="events",
        jobs=(log.advance_due,),
        loops=(log.publish_signals, log.follow_log, log.work, log.keep_house, relay.relay),
        lifespan=log.lifespan,
    )
