"""What people do to workflows, told to the audit log, which auth keeps, in the transaction that does it."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.messages import AuditRecorded
from services.workflows.storage.tables import outbox as box
from shared import clock, ids, outbox, tracing


async def record(
    session: AsyncSession, organization_id: UUID, actor: str, action: str, target: UUID, **details: Any
) -> None:
    """`actor` (`user:<id>`) did `action` (`workflow.changed`) to `target`; details hold numbers and names of fields."""
    message = AuditRecorded(
        organization_id=organization_id,
        actor=actor,
        action=action,
        target=str(target),
        details=details,
        at=clock.now(),
        address=tracing.address(),
    )
    await outbox.add(session, box, message, to=("auth",), key=str(ids.new()))
