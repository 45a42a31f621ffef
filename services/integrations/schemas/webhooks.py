"""Wire shapes of outbound webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StrictBool

from services.integrations.connector import checked_url
from services.integrations.schemas.integrations import Request

Url = Annotated[str, AfterValidator(checked_url), Field(max_length=2000)]
Types = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=50)]
Status = Literal["pending", "delivered", "dead"]


class NewWebhook(Request):
    """Where to send what; no types are all types."""

    url: Url
    types: Types = Field(default_factory=list)


class WebhookChange(Request):
    """Only what is to change."""

    url: Url | None = None
    types: Types | None = None
    active: StrictBool | None = None


class WebhookView(BaseModel):
    """A webhook; `secret` is shown once, when it is made.

    `failing_since` is the first failure after the last success; `disabled` says why it is no more active by itself:
    its receiver failed for five days or said that it is gone. Making it active again begins anew.
    """

    id: UUID
    url: str
    types: list[str]
    active: bool
    failing_since: datetime | None
    disabled: Literal["failing", "gone"] | None
    created_at: datetime
    secret: str | None = None


class NewSecret(BaseModel):
    """The new signing secret; the one before signs too for a day."""

    secret: str


class DeliveryView(BaseModel):
    """One delivery; `answered` is the receiver's last status, `problem` why there was none."""

    id: UUID
    type: str
    data: Any
    status: Status
    attempts: int
    due_at: datetime
    created_at: datetime
    attempted_at: datetime | None
    answered: int | None
    problem: str | None


class TestDelivery(BaseModel):
    """The id of a delivery of type floyo.test."""

    delivery_id: UUID
