"""What each message of a sibling changes here."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.domain import integrations, webhooks
from services.integrations.messages import FACTS, Fact, OrganizationDeleted, UserDeleted
from shared.messages import Handler


async def _forget_organization(session: AsyncSession, message: OrganizationDeleted) -> None:
    await integrations.forget_organization(session, message.organization_id)
    await webhooks.forget_organization(session, message.organization_id)


async def _forget_user(session: AsyncSession, message: UserDeleted) -> None:
    await integrations.forget_user(session, message.user_id)
    await webhooks.forget_user(session, message.user_id, message.organization_ids)


async def _publish(kind: str, session: AsyncSession, message: Fact) -> None:
    data = message.model_dump(mode="json", exclude={"organization_id"})
    await webhooks.publish(session, message.organization_id, kind, data)


HANDLERS: Mapping[str, Handler] = {
    "organization.deleted": Handler(OrganizationDeleted, _forget_organization),
    "user.deleted": Handler(UserDeleted, _forget_user),
    **{kind: Handler(Fact, partial(_publish, kind)) for kind in FACTS},
}
