"""Messages that this service reads."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.domain import integrations
from shared.messages import Handler, Reading


class OrganizationDeleted(Reading):
    """An organisation is no more."""

    organization_id: UUID


async def forget_organization(session: AsyncSession, message: OrganizationDeleted) -> None:
    """Its integrations go, with their secrets."""
    await integrations.forget_organization(session, message.organization_id)


class UserDeleted(Reading):
    """A person is gone."""

    user_id: UUID


async def forget_user(session: AsyncSession, message: UserDeleted) -> None:
    """What they made stays with the organisation, without their name."""
    await integrations.forget_user(session, message.user_id)


HANDLERS = {
    "organization.deleted": Handler(OrganizationDeleted, forget_organization),
    "user.deleted": Handler(UserDeleted, forget_user),
}
