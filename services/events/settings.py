"""What the processes of the events service are told."""

from pydantic import Field

import shared.settings


class Settings(shared.settings.Settings):
    """The common settings and those of the event log."""

    retention_days: int = Field(default=365, ge=1, le=3_650)
    live_connections: int = Field(default=5_000, ge=1)
    live_connections_per_organization: int = Field(default=2_000, ge=1)
    ingest_queue: int = Field(default=20_000, ge=1)
    mining_events: int = Field(default=200_000, ge=1_000)
