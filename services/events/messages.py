"""Messages of siblings that the events service reads."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import jobs, subscriptions
from shared.messages import Handler, Reading


class Match(BaseModel):
    """Which events a trigger is for; each field exact or a glob, absent for any."""

    model_config = ConfigDict(extra="ignore")

    source: str | None = None
    type: str | None = None
    subject: str | None = None


class TriggerChanged(Reading):
    """A workflow's event trigger, as it now stands."""

    trigger_id: UUID
    organization_id: UUID
    workflow_id: UUID
    match: Match | None = None
    active: bool
    revision: int
    changed_at: datetime


async def apply_trigger(session: AsyncSession, message: TriggerChanged) -> None:
    """Stores the subscription; a new one catches up with events since the change."""
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


class UserDeleted(Reading):
    """A person is gone."""

    user_id: UUID
    organization_ids: list[UUID]


async def forget_user(session: AsyncSession, message: UserDeleted) -> None:
    """Erases what was recorded under the person's id, in every organisation they belonged to."""
    for organization_id in message.organization_ids:
        await jobs.start(session, organization_id, "erasure", {"actor": str(message.user_id)})


class OrganizationDeleted(Reading):
    """An organisation is gone."""

    organization_id: UUID


async def forget_organization(session: AsyncSession, message: OrganizationDeleted) -> None:
    """Erases everything of it."""
    await jobs.start(session, message.organization_id, "erasure", {})


HANDLERS = {
    "workflow.trigger_changed": Handler(TriggerChanged, apply_trigger),
    "user.deleted": Handler(UserDeleted, forget_user),
    "organization.deleted": Handler(OrganizationDeleted, forget_organization),
}
