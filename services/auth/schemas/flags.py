"""Wire shapes of feature flags."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool, StrictInt

from services.auth.schemas.fields import Body


class PutFlag(Body):
    """PUT /flags/{name}."""

    enabled: StrictBool
    percentage: Annotated[StrictInt, Field(ge=0, le=100)] = 100
    organizations: list[UUID] = Field(default_factory=list, max_length=1_000)
    users: list[UUID] = Field(default_factory=list, max_length=1_000)


class Override(BaseModel):
    """What administrators set."""

    enabled: bool
    percentage: int
    organizations: list[UUID]
    users: list[UUID]


class Flag(BaseModel):
    """A flag as it stands for the caller; administrators see the override too."""

    name: str
    description: str
    default: bool
    enabled: bool
    override: Override | None = None
