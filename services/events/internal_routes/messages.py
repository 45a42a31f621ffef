"""What each message of a sibling changes here."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import jobs, subscriptions, verdicts
from services.events.messages import Match, OrganizationDeleted, TriggerChanged, UserDeleted
from shared.messages import Handler


async def _put_subscription(session: AsyncSession, message: TriggerChanged) -> None:
    """A new one catches up with events since the change."""
    match = message.match or Match()
    await subscriptions.put(
        session,
        trigger_id=message.trigger_id,
        organization_id=message.organization_id,
        workflow_id=message.workflow_id,
        match=match.model_dump(),
        active=message.active,
        revision=message.revision,
        changed_at=message.changed_at,
    )
    await verdicts.follow(
        session, message.organization_id, message.workflow_id, active=message.active, at=message.changed_at
    )


async def _forget_user(session: AsyncSession, message: UserDeleted) -> None:
    """Erases what was recorded under the person's id, in every organisation they belonged to."""
    for organization_id in message.organization_ids:
        await jobs.start(session, organization_id, "erasure", {"actor": str(message.user_id)})


async def _forget_organization(session: AsyncSession, message: OrganizationDeleted) -> None:
    await jobs.start(session, message.organization_id, "erasure", {})


HANDLERS = {
    "workflow.trigger_changed": Handler(TriggerChanged, _put_subscription),
    "user.deleted": Handler(UserDeleted, _forget_user),
    "organization.deleted": Handler(OrganizationDeleted, _forget_organization),
}
