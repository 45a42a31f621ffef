"""Wire shapes of the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class AuditEntry(BaseModel):
    """Who did what to what, when, and from where; an act of a service has no address."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    actor: str
    action: str
    target: str
    details: dict[str, Any]
    trace_id: str
    at: datetime
    address: str | None
