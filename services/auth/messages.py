"""Messages that the auth service publishes: what every service must forget."""

from typing import ClassVar
from uuid import UUID

from shared.messages import Message

READERS = ("events", "workflows", "integrations")


class UserDeleted(Message):
    """A person is gone; `organization_ids` are the organisations they belonged to and that live on."""

    type: ClassVar[str] = "user.deleted"

    user_id: UUID
    organization_ids: list[UUID]


class OrganizationDeleted(Message):
    """An organisation is gone, and everything of it must go."""

    type: ClassVar[str] = "organization.deleted"

    organization_id: UUID
