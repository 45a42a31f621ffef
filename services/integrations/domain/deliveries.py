"""What a delivery says: its own id, and the event that it becomes. Everything in it is data and stays data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from services.integrations.domain.signatures import Delivery
from shared import errors

_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Meaning:
    """The sender's id of the delivery, the event's type and data; a challenge is only to be answered."""

    delivery_id: str
    type: str
    data: Any
    challenge: str | None = None


def understand(scheme: str, delivery: Delivery) -> Meaning:
    """Reads a verified delivery; raises BadRequest when its body is neither JSON nor a form."""
    data = _decode(delivery)
    fields = data if isinstance(data, dict) else {}
    delivery_id, kind = _READERS[scheme](delivery.headers, fields)
    challenge = fields.get("challenge") if scheme == "slack" and fields.get("type") == "url_verification" else None
    return Meaning(
        delivery_id=(delivery_id or "sha256:" + sha256(_identity(delivery)).hexdigest())[:_MAX_NAME],
        type=(kind or "received")[:_MAX_NAME],
        data=data,
        challenge=challenge if isinstance(challenge, str) else None,
    )


def _identity(delivery: Delivery) -> bytes:
    """Senders without ids repeat a delivery with the same body; a timestamp they sign tells two alike apart."""
    stamps = [delivery.header("x-slack-request-timestamp"), delivery.header("x-twilio-signature")]
    return "|".join(stamps).encode() + delivery.body


def _decode(delivery: Delivery) -> Any:
    """JSON; or a form, whose field `payload` is Slack's way to wrap JSON."""
    try:
        if delivery.header("content-type").startswith("application/x-www-form-urlencoded"):
            form = dict(parse_qsl(delivery.body.decode(), keep_blank_values=True))
            return orjson.loads(form["payload"]) if set(form) == {"payload"} else form
        return orjson.loads(delivery.body) if delivery.body else {}
    except ValueError:
        raise errors.BadRequest("malformed-json", "The delivery is neither JSON nor a form.") from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _member(fields: Mapping[str, Any], *path: str) -> str:
    found: Any = fields
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return _text(found)


Reader = Callable[[Mapping[str, str], Mapping[str, Any]], tuple[str, str]]


def _github(headers: Mapping[str, str], fields: Mapping[str, Any]) -> tuple[str, str]:
    kind, action = headers.get("x-github-event", ""), _text(fields.get("action"))
    return headers.get("x-github-delivery", ""), f"{kind}.{action}" if kind and action else kind


def _gitlab(headers: Mapping[str, str], fields: Mapping[str, Any]) -> tuple[str, str]:
    delivery_id = headers.get("idempotency-key") or headers.get("x-gitlab-webhook-uuid", "")
    kind = _text(fields.get("object_kind")) or headers.get("x-gitlab-event", "")
    action = _member(fields, "object_attributes", "action")
    return delivery_id, f"{kind}.{action}" if kind and action else kind


def _slack(_headers: Mapping[str, str], fields: Mapping[str, Any]) -> tuple[str, str]:
    kind = _member(fields, "event", "type") or _text(fields.get("command")) or _text(fields.get("type"))
    return _text(fields.get("event_id")) or _text(fields.get("trigger_id")), kind


def _stripe(_headers: Mapping[str, str], fields: Mapping[str, Any]) -> tuple[str, str]:
    return _text(fields.get("id")), _text(fields.get("type"))


def _twilio(headers: Mapping[str, str], fields: Mapping[str, Any]) -> tuple[str, str]:
    status = _text(fields.get("MessageStatus")) or _text(fields.get("CallStatus")) or _text(fields.get("SmsStatus"))
    return headers.get("i-twilio-idempotency-token", ""), status


def _pagerduty(_headers: Mapping[str, str], fields: Mapping[str, Any]) -> tuple[str, str]:
    return _member(fields, "event", "id"), _member(fields, "event", "event_type")


def _standard(headers: Mapping[str, str], fields: Mapping[str, Any]) -> tuple[str, str]:
    return headers.get("webhook-id", ""), _text(fields.get("type"))


_READERS: Final[Mapping[str, Reader]] = {
    "github": _github,
    "gitlab": _gitlab,
    "pagerduty": _pagerduty,
    "slack": _slack,
    "standard-webhooks": _standard,
    "stripe": _stripe,
    "twilio": _twilio,
}
