"""Wire shapes of inbound hooks."""

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from services.integrations.schemas.integrations import Request


def _checked_network(text: str) -> str:
    return str(ip_network(text))


Given = Annotated[SecretStr | None, Field(min_length=8, max_length=1000)]


class NewHook(Request):
    """How deliveries are signed; `networks` are the only callers, where given."""

    scheme: Annotated[str | None, Field(max_length=50)] = None
    secret: Given = None
    source: Annotated[str | None, Field(min_length=1, max_length=100, pattern=r"^[\w.:/-]+$")] = None
    networks: Annotated[list[Annotated[str, AfterValidator(_checked_network)]], Field(max_length=50)] = Field(
        default_factory=list
    )


class NewSecret(Request):
    """The sender's new secret; without one it is made here."""

    secret: Given = None


class HookView(BaseModel):
    """A hook; `secret` is shown once, and only if it was made here."""

    id: UUID
    url: str
    scheme: str
    source: str
    networks: list[str]
    created_at: datetime
    secret: str | None = None


class RotatedSecret(BaseModel):
    """The secret if it was made here; the one before stays in force until the next rotation."""

    secret: str | None


class Receipt(BaseModel):
    """Whether the delivery was known already; a challenge is given back."""

    duplicate: bool = False
    challenge: str | None = None
