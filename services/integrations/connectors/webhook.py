"""Signed webhooks to one address, by the Standard Webhooks specification 1.0.0."""

import base64
import binascii
import hmac
import time
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from services.integrations.connector import Action, Call, Connector, Secret, Shape, Target, checked_url, target_of
from shared import errors, ids

PREFIX = "whsec_"


class Settings(Shape):
    """Where the webhook is received."""

    url: Annotated[str, AfterValidator(checked_url), Field(examples=["https://hooks.example.com/floyo"])]


class Send(Shape):
    """One message; a receiver drops a second one with the same id."""

    type: Annotated[str, Field(min_length=1, max_length=200, examples=["build.failed"])]
    data: Any = None
    id: Annotated[str | None, Field(max_length=200, pattern=r"^[\x21-\x7e]+$")] = None


class Sent(Shape):
    """The id that was sent and the receiver's status."""

    id: str
    status: int = Field(examples=[204])


def _targets(settings: Settings) -> tuple[Target, ...]:
    return (target_of(settings.url),)


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `v1` signature of a message; raises Invalid when the secret is not base64 after `whsec_`."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise errors.Invalid("invalid-secret", "The signing secret must be base64 after whsec_.") from None
    signed = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(signed).decode()


async def send(call: Call, given: Send) -> Sent:
    """A status of 400 or more is a failure."""
    settings: Settings = call.settings
    message_id = given.id or call.idempotency_key or f"msg_{ids.new().hex}"
    timestamp = int(time.time())
    body = orjson.dumps({"type": given.type, "data": given.data})
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(call.secret("signing_secret"), message_id, timestamp, body),
    }
    response = await call.fetch("POST", settings.url, headers=headers, body=body)
    return Sent(id=message_id, status=response.status)


async def test(call: Call) -> None:
    """Sends a message of type `floyo.test`."""
    await send(call, Send(type="floyo.test", data={}))


CONNECTOR = Connector(
    id="webhook",
    name="Webhook",
    description="Sends signed messages to one address, by the Standard Webhooks specification.",
    settings=Settings,
    secrets=(Secret("signing_secret", "Base64 after whsec_, shared with the receiver."),),
    actions=(Action("send", "Sends one signed message.", Send, Sent, send),),
    targets=_targets,
    test=test,
    hooks=("standard-webhooks",),
)
