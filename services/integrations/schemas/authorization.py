"""Wire shapes of authorizing an integration."""

from typing import Annotated

from pydantic import BaseModel, Field

from services.integrations.schemas.integrations import Request


class NewAuthorization(Request):
    """Where the person comes back to: exactly /oauth/callback of this installation or of an allowed origin."""

    redirect_uri: Annotated[str, Field(max_length=2000)]


class AuthorizationUrl(BaseModel):
    """Where to send the person."""

    url: str


class Completion(Request):
    """What the person came back with."""

    state: Annotated[str, Field(min_length=1, max_length=200)]
    code: Annotated[str, Field(min_length=1, max_length=4096)]
