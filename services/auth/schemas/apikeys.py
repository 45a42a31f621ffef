"""Wire shapes of API keys."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from services.auth.schemas.fields import Body, Name
from shared.policy import SCOPES


def _check_scope(scope: str) -> str:
    if scope not in SCOPES:
        raise ValueError(f"An API key may hold: {', '.join(sorted(SCOPES))}.")
    return scope


Scope = Annotated[str, AfterValidator(_check_scope)]


class NewApiKey(Body):
    """POST /api-keys."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=100)]
    expires_at: AwareDatetime | None = None


class CreatedApiKey(BaseModel):
    """The key, shown this once."""

    id: UUID
    key: str


class ApiKey(BaseModel):
    """A key without what it is; `used_at` is exact to half a minute."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    scopes: list[str]
    created_by: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    used_at: AwareDatetime | None
