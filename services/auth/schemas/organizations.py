"""Wire shapes of organisations, members and invitations."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StrictBool

from services.auth.schemas.fields import Body, Email, Name, Token
from shared.policy import Role


class NewOrganization(Body):
    """POST /organizations."""

    name: Name


class ChangeOrganization(Body):
    """PATCH /organizations/{id}."""

    name: Name


class Organization(BaseModel):
    """An organisation, and the caller's role there."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    personal: bool
    created_at: datetime
    role: Role | None = None


class ChangeMember(Body):
    """PATCH /organizations/{id}/members/{user_id}."""

    role: Role


class Transfer(Body):
    """POST /organizations/{id}/transfer."""

    user_id: UUID


class Member(BaseModel):
    """Somebody who belongs to an organisation."""

    model_config = ConfigDict(from_attributes=True)

    user_id: UUID
    email: str
    name: str | None
    role: Role
    created_at: datetime


class NewInvitation(Body):
    """POST /organizations/{id}/invitations."""

    email: Email
    role: Role = "member"


class AcceptInvitation(Body):
    """POST /organizations/invitations/accept."""

    token: Token


class Invitation(BaseModel):
    """An invitation that waits, or was accepted."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None


class Status(Body):
    """PUT …/status, by platform administrators."""

    active: StrictBool
