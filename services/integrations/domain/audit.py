"""What people did here, told to the audit log, which auth keeps, in the transaction that does it."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.messages import AuditRecorded
from services.integrations.storage import messages
from shared import clock, ids, tracing
from shared.identity import Principal


async def record(session: AsyncSession, principal: Principal, action: str, target: UUID, **details: Any) -> None:
    """`principal` did `action` (`integration.changed`) to `target`; details hold ids and names of fields, no values."""
    message = AuditRecorded(
        organization_id=principal.organization_id,
        actor=principal.subject,
        action=action,
        target=str(target),
        details=details,
        at=clock.now(),
        address=tracing.address(),
    )
    # A key of its own: the moment is in the message, so one that waits need not hold up the others.
    await messages.publish(session, message, to=("auth",), key=str(ids.new()))
