"""Wire shapes of logins and sessions."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.auth.domain import tokens
from services.auth.schemas.fields import Body, Code, Email, Password, Token


class Login(Body):
    """POST /auth/login."""

    email: Email
    password: Password
    totp: Code | None = None


class Refresh(Body):
    """POST /auth/refresh."""

    refresh_token: Token


class Logout(Body):
    """POST /auth/logout, with or without the refresh token."""

    refresh_token: Token | None = None


class Switch(Body):
    """POST /auth/switch."""

    organization_id: UUID


class TokenPair(BaseModel):
    """An access token and what continues it."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # a scheme, not a secret
    expires_in: int
    refresh_token: str
    organization_id: UUID

    @classmethod
    def of(cls, pair: tokens.Pair) -> "TokenPair":
        """The answer for a pair."""
        return cls(
            access_token=pair.access_token,
            expires_in=pair.expires_in,
            refresh_token=pair.refresh_token,
            organization_id=pair.organization_id,
        )


class Session(BaseModel):
    """One device's session."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    active_organization_id: UUID
    user_agent: str
    address: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool = False


class Sessions(BaseModel):
    """A person's sessions, on one page."""

    items: list[Session]
    next_cursor: None = None
