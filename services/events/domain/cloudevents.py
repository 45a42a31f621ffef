"""CloudEvents 1.0.2 over HTTP: structured, batched and binary, as the specification has them."""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec

from services.events.domain import drafts
from services.events.domain.drafts import Draft, Incoming
from shared import errors, strictjson

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_NAME = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_OWN = frozenset({"id", "source", "type", "subject", "time", "actor"})
_REQUIRED = ("specversion", "id", "source", "type")
_JSON_MEDIA = re.compile(r"(application|text)/([\w.-]+\+)?json(\s*;.*)?", re.IGNORECASE)
MAX_EXTENSIONS = 64


def read_structured(value: Any, organization_id: UUID) -> Draft:
    """A draft from a decoded CloudEvent; raises Invalid."""
    if not isinstance(value, dict):
        raise errors.invalid_field("", "A CloudEvent is a JSON object.")
    if value.get("data") is not None and value.get("data_base64") is not None:
        raise errors.invalid_field("/data_base64", "Excludes `data`.")
    attributes = {name: item for name, item in value.items() if name not in {"data", "data_base64"}}
    data = value.get("data")
    if value.get("data_base64") is not None:
        data = _check_base64(value["data_base64"])
        attributes["datacontentencoding"] = "base64"
    return _build(attributes, data, organization_id)


def read_binary(headers: Mapping[str, str], body: bytes, organization_id: UUID) -> Draft:
    """A draft from `ce-` headers and a body of any media type; raises BadRequest or Invalid."""
    if "ce-datacontenttype" in headers:
        raise errors.invalid_field("/header/ce-datacontenttype", "Must not stand beside Content-Type.")
    attributes: dict[str, Any] = {
        name[3:]: _decode_header(name, value) for name, value in headers.items() if name.startswith("ce-")
    }
    media = headers.get("content-type")
    if media is not None:
        attributes["datacontenttype"] = media
    data, encoding = _decode_body(media, body)
    if encoding:
        attributes["datacontentencoding"] = encoding
    return _build(attributes, data, organization_id)


def _build(attributes: dict[str, Any], data: Any, organization_id: UUID) -> Draft:
    known = {name: value for name, value in attributes.items() if value is not None}
    for name in _REQUIRED:
        if not isinstance(known.get(name), str) or not known[name]:
            raise errors.invalid_field(f"/{name}", "Is required and must not be empty.")
    if known.pop("specversion") != "1.0":
        raise errors.invalid_field("/specversion", "Must be 1.0.")
    _check_extensions(known)
    own = {name: known.pop(name) for name in _OWN & known.keys()}
    try:
        incoming = msgspec.convert({**own, "data": data}, Incoming)
    except msgspec.ValidationError as error:
        raise drafts.invalid(str(error)) from None
    return drafts.build(incoming, organization_id, known)


def _check_extensions(attributes: Mapping[str, Any]) -> None:
    if len(attributes) > MAX_EXTENSIONS:
        raise errors.invalid_field("", f"Has more than {MAX_EXTENSIONS} attributes.")
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise errors.invalid_field(f"/{name[:64]}", "Names of attributes are lower-case letters and digits.")
        if not isinstance(value, str | int | bool) or (isinstance(value, str) and len(value) > 1_024):
            raise errors.invalid_field(f"/{name}", "Must be text of at most 1024 characters, an integer or a boolean.")


def _check_base64(value: Any) -> str:
    try:
        base64.b64decode(str(value), validate=True)
    except ValueError:
        raise errors.invalid_field("/data_base64", "Is no Base64.") from None
    return str(value)


def _decode_header(name: str, value: str) -> str:
    if value[:1] == '"' and value[-1:] == '"' and len(value) > 1:
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:
        decoded = unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise errors.invalid_field(f"/header/{name}", "Is not percent-encoded UTF-8.") from None
    if "\x00" in decoded:
        raise errors.invalid_field(f"/header/{name}", "U+0000 cannot be stored.")
    return decoded


def _decode_body(media: str | None, body: bytes) -> tuple[Any, str | None]:
    """The data, and `base64` when it had to be encoded."""
    if not body:
        return None, None
    if media is not None and _JSON_MEDIA.fullmatch(media.strip()):
        return strictjson.parse(b'{"data":' + body + b"}")["data"], None
    if media is not None and (media.startswith("text/") or "xml" in media):
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = "\x00"
        if "\x00" not in text:
            return text, None
    return base64.b64encode(body).decode(), "base64"
