"""What each message of a sibling changes here."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit, notices
from services.auth.domain.context import Context
from services.auth.messages import ApprovalRequested, AuditRecorded, NoticeRaised
from shared.messages import Handler


async def _write_down(session: AsyncSession, message: AuditRecorded) -> None:
    what = message.model_dump(include={"actor", "action", "target", "details", "address"})
    await audit.keep(session, message.organization_id, at=message.at, what=what)


async def _tell(session: AsyncSession, message: NoticeRaised, context: Context) -> None:
    what = message.model_dump(include={"target", "name"})
    await notices.tell(context, session, message.organization_id, message.kind, **what)


async def _ask(session: AsyncSession, message: ApprovalRequested, context: Context) -> None:
    what = message.model_dump(include={"step", "approvers", "requested_by"})
    await notices.ask(context, session, message.organization_id, message.approval_id, **what)


HANDLERS: Mapping[str, Handler] = {
    "audit.recorded": Handler(AuditRecorded, _write_down),
    "approval.requested": Handler(ApprovalRequested, _ask, part=Context),
    "notice.raised": Handler(NoticeRaised, _tell, part=Context),
}
