"""Messages that this service reads: only the fields that it needs."""

from uuid import UUID

from pydantic import ConfigDict

from shared.messages import Reading


class OrganizationDeleted(Reading):
    """An organisation is no more."""

    organization_id: UUID


class UserDeleted(Reading):
    """A person is gone."""

    user_id: UUID


class Fact(Reading):
    """Something that outbound webhooks tell of; its other fields are the payload."""

    model_config = ConfigDict(frozen=True, extra="allow")

    organization_id: UUID


FACTS = ("workflow.run_finished", "suggestion.created", "approval.requested")
"""Types of messages that organisations may subscribe their webhooks to."""
