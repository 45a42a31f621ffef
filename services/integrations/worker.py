"""The worker of the integrations service: wiring only."""

from services.integrations import connectors as plugins
from services.integrations.deps import open_desk
from shared.worker import WorkerSettings


def create_worker() -> WorkerSettings:
    """No jobs yet beyond what wakes by itself."""
    return WorkerSettings(service="integrations", jobs=(), loops=(), lifespan=open_desk(plugins))
