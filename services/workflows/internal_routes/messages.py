"""What each message of a sibling changes here."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import erasure
from services.workflows.messages import OrganizationDeleted, UserDeleted
from shared.messages import Handler


async def _forget_user(session: AsyncSession, message: UserDeleted) -> None:
    await erasure.forget_user(session, message.user_id, message.organization_ids)


async def _forget_organization(session: AsyncSession, message: OrganizationDeleted) -> None:
    await erasure.ask(session, message.organization_id)


HANDLERS = {
    "user.deleted": Handler(UserDeleted, _forget_user),
    "organization.deleted": Handler(OrganizationDeleted, _forget_organization),
}
