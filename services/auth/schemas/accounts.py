"""Wire shapes of accounts."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from services.auth.schemas.fields import Body, Code, Email, Name, NewPassword, Password, Token


class Register(Body):
    """POST /auth/register."""

    email: Email
    password: NewPassword
    name: Name | None = None


class Accepted(BaseModel):
    """The one answer for known and unknown addresses."""

    status: Literal["accepted"] = "accepted"


class EmailOnly(Body):
    """POST /auth/resend-verification, /auth/forgot-password."""

    email: Email


class TokenOnly(Body):
    """POST /auth/verify-email."""

    token: Token


class ResetPassword(Body):
    """POST /auth/reset-password."""

    token: Token
    password: NewPassword


class ChangePassword(Body):
    """POST /users/me/password."""

    current_password: Password
    new_password: NewPassword


class ChangeMe(Body):
    """PATCH /users/me; a new address counts once its link was opened, and needs the password."""

    name: Name | None = None
    email: Email | None = None
    current_password: Password | None = None


class ConfirmCode(Body):
    """POST /users/me/totp/confirm."""

    code: Code


class ConfirmPassword(Body):
    """What only the person may do, proved once more."""

    current_password: Password


class Me(BaseModel):
    """The person who is logged in."""

    id: UUID
    email: str
    name: str | None
    email_verified: bool
    totp_enabled: bool
    platform_admin: bool
    organization_id: UUID
    role: str
    created_at: datetime


class TotpSecret(BaseModel):
    """What an authenticator needs, shown once."""

    secret: str
    uri: str


class RecoveryCodes(BaseModel):
    """Codes that each replace the authenticator once, shown once."""

    recovery_codes: list[str]


class RecoveryState(BaseModel):
    """How many codes are left."""

    remaining: int


class Export(BaseModel):
    """Everything that is known about a person; `activity` is what the audit log holds of them."""

    account: dict[str, Any]
    organizations: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    activity: list[dict[str, Any]]
    events: list[dict[str, Any]]
    workflows: list[dict[str, Any]]
    integrations: list[dict[str, Any]]
