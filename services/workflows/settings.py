"""Settings of the workflows service: none beyond what every process has, but how much a worker does at a time."""

from pydantic import Field

from shared import settings


class Settings(settings.Settings):
    """FLOYO_RUN_SLOTS bounds the runs under way in one worker, FLOYO_ORGANIZATION_SLOTS those of one organisation."""

    # FLOYO_RUN_DAYS is how long ended runs are kept at least, FLOYO_RUN_COUNT how many an organisation keeps at most.
    run_days: int = Field(default=90, ge=1, le=3_650)
    run_count: int = Field(default=100_000, ge=1)
    run_slots: int = Field(default=100, ge=1, le=1_000)
    organization_slots: int = Field(default=60, ge=1, le=1_000)
