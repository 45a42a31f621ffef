"""Wire shapes of long work."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel


class JobStarted(BaseModel):
    """Where to ask how it goes: GET /events/jobs/{job_id}."""

    job_id: UUID


class JobOut(BaseModel):
    """A job; for mining `accepted` counts the events read, for erasure the events erased."""

    id: UUID
    kind: Literal["mining", "upload", "erasure"]
    status: Literal["queued", "running", "succeeded", "failed"]
    accepted: int
    duplicates: int
    rejected: int
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
