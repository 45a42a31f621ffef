"""Settings of the workflows service: none beyond what every process has, but how much a worker does at a time."""

from pydantic import Field

from shared import settings


class Settings(settings.Settings):
    """FLOYO_RUN_SLOTS bounds the runs under way in one worker, FLOYO_ORGANIZATION_SLOTS those of one organisation."""

    run_slots: int = Field(default=100, ge=1, le=1_000)
    organization_slots: int = Field(default=60, ge=1, le=1_000)
