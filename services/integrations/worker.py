"""The worker of the integrations service: wiring only."""

from services.integrations import connectors as plugins
from services.integrations.deps import open_desk
from services.integrations.jobs.hooks import forward_deliveries, sweep_deliveries
from services.integrations.jobs.rotation import rotate_keys
from services.integrations.jobs.webhooks import send_webhooks
from services.integrations.storage.tables import outbox
from shared.outbox import Relay
from shared.worker import WorkerSettings


def create_worker() -> WorkerSettings:
    """Forwards deliveries of hooks by wake-up and sweep, sends outbound webhooks, rewraps secrets, relays messages."""
    return WorkerSettings(
        service="integrations",
        jobs=(forward_deliveries,),
        loops=(sweep_deliveries, send_webhooks, rotate_keys, Relay(outbox).relay),
        lifespan=open_desk(plugins),
    )
