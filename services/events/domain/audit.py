"""What people decide about events, told to the audit log, which auth keeps, in the transaction that does it."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.messages import AuditRecorded
from services.events.storage.tables import outbox_message
from shared import clock, ids, outbox, tracing


async def record(
    session: AsyncSession, organization_id: UUID, actor: str, action: str, target: str, **details: Any
) -> None:
    """`actor` (`user:<id>`) did `action` (`retention.changed`) to `target`; details hold numbers and names."""
    message = AuditRecorded(
        organization_id=organization_id,
        actor=actor,
        action=action,
        target=target,
        details=details,
        at=clock.now(),
        address=tracing.address(),
    )
    await outbox.add(session, outbox_message, message, to=("auth",), key=str(ids.new()))
