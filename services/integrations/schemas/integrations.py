"""Wire shapes of integrations and their actions."""

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StrictBool

from services.integrations.domain.integrations import Integration, Standing, standing
from shared.crypto import KeyRing

_BAD_NAME = re.compile(r"[\x00-\x1f\x7f\\]|\.\.|%2e%2e", re.IGNORECASE)
_MAX_SECRET = 16_384


def _checked_name(name: str) -> str:
    if _BAD_NAME.search(name) or name != name.strip():
        raise ValueError("must hold no control characters, dot segments or outer blanks")
    try:
        UUID(name)
    except ValueError:
        return name
    raise ValueError("must not read like an id")


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_checked_name)]
Secrets = Annotated[dict[str, Annotated[SecretStr, Field(min_length=1, max_length=_MAX_SECRET)]], Field(max_length=20)]


class Request(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class NewIntegration(Request):
    """What to connect to, how, and with which secrets."""

    connector: Annotated[str, Field(max_length=100)]
    name: Name
    settings: dict[str, Any] = Field(default_factory=dict)
    secrets: Secrets = Field(default_factory=dict)


class IntegrationChange(Request):
    """Only what is to change; settings are merged by their top level, secrets by name."""

    name: Name | None = None
    settings: dict[str, Any] | None = None
    secrets: Secrets | None = None


class IntegrationView(BaseModel):
    """An integration without its secrets; `secret_names` tells which it holds.

    `credential` is `unusable` when no key of the vault opens it, `refused` when its issuer wants the person to
    authorize again; either way the secrets have to be given anew.
    """

    id: UUID
    connector: str
    name: str
    settings: dict[str, Any]
    secret_names: list[str]
    credential: Standing
    revision: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, integration: Integration, ring: KeyRing) -> "IntegrationView":
        """The view of a domain object."""
        shown = {name: getattr(integration, name) for name in cls.model_fields if name != "credential"}
        return cls(**shown, credential=standing(ring, integration))


class ConnectorView(BaseModel):
    """A connector of the catalogue, with JSON schemas."""

    id: str
    name: str
    description: str
    settings_schema: dict[str, Any]
    secrets: list[dict[str, Any]]
    actions: list[dict[str, Any]]
    hooks: list[str]
    authorization: str


class TestResult(BaseModel):
    """Whether the credential proved good; `problem` is {type, detail, retryable} when it did not."""

    ok: bool
    problem: dict[str, Any] | None


class ActionRequest(Request):
    """The input of an action; a dry run calls nobody and opens no secret."""

    input: dict[str, Any] = Field(default_factory=dict)
    dry_run: StrictBool = False


class ActionResult(BaseModel):
    """The output, by the action's output schema."""

    output: Any


def revealed(secrets: dict[str, SecretStr] | None) -> dict[str, str]:
    """The secrets' texts, on their way to the seal."""
    return {name: secret.get_secret_value() for name, secret in (secrets or {}).items()}
