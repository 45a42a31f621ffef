"""What each message of a sibling changes here."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit
from services.auth.messages import AuditRecorded
from shared.messages import Handler


async def _write_down(session: AsyncSession, message: AuditRecorded) -> None:
    what = message.model_dump(include={"actor", "action", "target", "details", "address"})
    await audit.keep(session, message.organization_id, at=message.at, what=what)


HANDLERS: Mapping[str, Handler] = {"audit.recorded": Handler(AuditRecorded, _write_down)}
