"""What the admins of an organisation are told, by mail, which auth sends, in the transaction that finds it."""

from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.messages import NoticeRaised
from services.integrations.storage import messages
from shared import clock

Kind = Literal["webhook-failing", "webhook-gone", "authorization-refused"]


async def raise_(session: AsyncSession, organization_id: UUID, kind: Kind, target: UUID, name: str) -> None:
    """Something of theirs stopped working."""
    notice = NoticeRaised(organization_id=organization_id, kind=kind, target=target, name=name, at=clock.now())
    await messages.publish(session, notice, to=("auth",), key=str(target))
