"""What people did here, told to the audit log, which auth keeps, in the transaction that does it."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.messages import AuditRecorded
from services.integrations.storage import messages
from shared import clock, ids, tracing
from shared.identity import Principal

PLATFORM = UUID(int=0)


async def record(session: AsyncSession, principal: Principal, action: str, target: UUID, **details: Any) -> None:
    """`principal` did `action` (`integration.changed`) to `target`; details hold ids and names of fields, no values."""
    await _tell(session, principal.organization_id, principal.subject, (action, str(target)), details)


async def record_rotation(session: AsyncSession, key_id: str, **details: int) -> None:
    """Everything was sealed anew with a key, for the operator; this concerns no organisation alone."""
    await _tell(session, PLATFORM, "operator", ("credentials.resealed", key_id), details)


async def _tell(
    session: AsyncSession, organization_id: UUID, actor: str, act: tuple[str, str], details: dict[str, Any]
) -> None:
    action, target = act
    message = AuditRecorded(
        organization_id=organization_id,
        actor=actor,
        action=action,
        target=target,
        details=details,
        at=clock.now(),
        address=tracing.address(),
    )
    # A key of its own: the moment is in the message, so one that waits need not hold up the others.
    await messages.publish(session, message, to=("auth",), key=str(ids.new()))
