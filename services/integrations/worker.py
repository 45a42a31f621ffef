"""The worker of the integrations service: wiring only."""

from services.integrations import connectors as plugins
from services.integrations.deps import open_desk
from services.integrations.jobs.hooks import forward_deliveries, sweep_deliveries
from shared.worker import WorkerSettings


def create_worker() -> WorkerSettings:
    """Deliveries of hooks are forwarded by wake-up and by sweep."""
    return WorkerSettings(
        service="integrations",
        jobs=(forward_deliveries,),
        loops=(sweep_deliveries,),
        lifespan=open_desk(plugins),
    )
