"""Wire shapes of what siblings ask for."""

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared import webapp
from shared.egress import MAX_SECONDS

Model = TypeVar("Model", bound=BaseModel)

IdempotencyKey = Annotated[str | None, Field(max_length=255, pattern=r"^[\x21-\x7e]+$")]
Cause = Annotated[str | None, Field(max_length=100, pattern=r"^run=[0-9a-f-]{36};depth=[0-9]{1,3}$")]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class ActionCall(BaseModel):
    """One action of one integration, named by id or name."""

    model_config = ConfigDict(extra="forbid")

    organization_id: UUID
    integration: str = Field(max_length=100)
    action: str = Field(max_length=100)
    input: Any = None
    idempotency_key: IdempotencyKey = None
    cause: Cause = None
    dry_run: bool = False
    timeout_seconds: Seconds = MAX_SECONDS


class HttpCall(BaseModel):
    """One HTTP request without an integration."""

    model_config = ConfigDict(extra="forbid")

    organization_id: UUID
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    url: str
    headers: dict[str, str] | None = None
    query: dict[str, str | int | float | bool | None] | None = None
    body: Any = None
    idempotency_key: IdempotencyKey = None
    dry_run: bool = False
    timeout_seconds: Seconds = MAX_SECONDS

    def texts(self) -> dict[str, str]:
        """The query with every value as text; members that are null are left out."""
        return {name: _text(value) for name, value in (self.query or {}).items() if value is not None}


class TogetherCall(BaseModel):
    """One of the calls that a worker makes at a time: the body of `/internal/<path>`, and its trace."""

    model_config = ConfigDict(extra="forbid")

    path: Literal["actions", "http"]
    trace: str = Field(max_length=100)
    body: dict[str, Any]


class TogetherCalls(BaseModel):
    """Calls that travel together."""

    model_config = ConfigDict(extra="forbid")

    calls: list[TogetherCall] = Field(min_length=1, max_length=200)


def read(model: type[Model], value: Any) -> Model:
    """A body as its model; raises Invalid as FastAPI's routes answer it."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)]
        raise webapp.invalid(found) from None


def _text(value: str | float | bool) -> str:  # a value of a query, not a switch
    return str(value).lower() if isinstance(value, bool) else str(value)
