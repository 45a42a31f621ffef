"""S3 and whatever speaks its protocol: objects up, down, listed, removed and shared; Signature Version 4."""

import hmac
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field

from services.integrations.connector import (
    Action,
    Call,
    Connector,
    Nothing,
    Secret,
    Shape,
    Target,
    checked_url,
    decode_body,
    target_of,
)
from shared import clock, errors
from shared.egress import Response

ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"

Pairs = Iterable[tuple[str, str]]
Key = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f]*$", examples=["reports/week.csv"])]


class Settings(Shape):
    """Which bucket, where; without an endpoint it is Amazon's of the region."""

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", examples=["reports"])]
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = "us-east-1"
    endpoint: Annotated[str | None, AfterValidator(lambda url: url and checked_url(url))] = None

    def base(self) -> str:
        """The endpoint; buckets are addressed by path."""
        return (self.endpoint or f"https://s3.{self.region}.amazonaws.com").rstrip("/")


class Put(Shape):
    """A text object to store."""

    key: Key
    text: Annotated[str, Field(max_length=3_000_000)]
    content_type: Annotated[str, Field(pattern=r"^[\x21-\x7e ]{1,200}$")] = "text/plain; charset=utf-8"


class Stored(Shape):
    """The object's entity tag."""

    etag: str


class OneKey(Shape):
    """Which object."""

    key: Key


class Content(Shape):
    """Text or JSON as it is, other bytes as {"base64": …}."""

    content: object
    content_type: str


class Search(Shape):
    """Which objects."""

    prefix: Annotated[str, Field(max_length=1024)] = ""
    limit: int = Field(default=100, ge=1, le=1000)


class Found(Shape):
    """One object."""

    key: str
    size: int


class Objects(Shape):
    """The first page, and whether there is more."""

    objects: list[Found]
    has_more: bool


class Share(Shape):
    """An object to share for a time."""

    key: Key
    seconds: int = Field(default=3600, ge=1, le=604_800)


class Link(Shape):
    """An address that reads the object until it expires."""

    url: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Who signs, when and for what."""

    access_key_id: str
    secret_access_key: str
    region: str
    service: str
    at: datetime

    @property
    def stamp(self) -> str:
        """The time as the algorithm writes it."""
        return self.at.strftime("%Y%m%dT%H%M%SZ")

    @property
    def text(self) -> str:
        """The credential scope."""
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"

    def signature(self, canonical: str) -> str:
        """The signature of a canonical request, in hexadecimal."""
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (self.stamp[:8], self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.new(key, self.string_to_sign(canonical).encode(), sha256).hexdigest()

    def string_to_sign(self, canonical: str) -> str:
        """Algorithm, time, scope and the hash of the canonical request."""
        return "\n".join((ALGORITHM, self.stamp, self.text, sha256(canonical.encode()).hexdigest()))


def canonical_request(method: str, path: str, query: Pairs, headers: Pairs, payload_hash: str) -> str:
    """The canonical form; `path` is raw and stays as it is but for its encoding, as S3 wants it."""
    encoded = sorted((quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in query)
    merged: dict[str, list[str]] = {}
    for name, value in headers:
        merged.setdefault(name.lower(), []).append(" ".join(value.split()))
    lines = [f"{name}:{','.join(values)}" for name, values in sorted(merged.items())]
    return "\n".join((
        method,
        quote(path, safe="/" + _UNRESERVED),
        "&".join(f"{name}={value}" for name, value in encoded),
        *lines,
        "",
        ";".join(sorted(merged)),
        payload_hash,
    ))  # fmt: skip


def authorization(scope: Scope, canonical: str) -> str:
    """The header of a signed request."""
    signed = canonical.rsplit("\n", 2)[1]
    credential = f"{scope.access_key_id}/{scope.text}"
    return f"{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={scope.signature(canonical)}"


def presigning(scope: Scope, signed_headers: Iterable[str], seconds: int, token: str | None = None) -> dict[str, str]:
    """The query parameters of a presigned request, all but the signature."""
    parameters = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{scope.access_key_id}/{scope.text}",
        "X-Amz-Date": scope.stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": ";".join(sorted(signed_headers)),
    }
    return parameters | ({"X-Amz-Security-Token": token} if token else {})


def _targets(settings: Settings) -> tuple[Target, ...]:
    return (target_of(settings.base()),)


def _scope(call: Call) -> Scope:
    settings: Settings = call.settings
    return Scope(call.secret("access_key_id"), call.secret("secret_access_key"), settings.region, "s3", clock.now())


def _path(settings: Settings, key: str) -> str:
    if any(part in (".", "..") for part in key.split("/")):
        raise errors.invalid_field("/input/key", "Must hold no dot segments.")
    return f"/{settings.bucket}/{key}"


async def _send(
    call: Call,
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    body: bytes | None = None,
    content_type: str | None = None,
) -> Response:
    """A spent rate is 503 SlowDown, which its status tells."""
    settings: Settings = call.settings
    scope = _scope(call)
    payload_hash = sha256(body or b"").hexdigest()
    headers = {"x-amz-content-sha256": payload_hash, "x-amz-date": scope.stamp}
    if call.secrets.get("session_token"):
        headers["x-amz-security-token"] = call.secret("session_token")
    if content_type:
        headers["content-type"] = content_type
    signed = [("host", urlsplit(settings.base()).netloc), *headers.items()]
    prefix = urlsplit(settings.base()).path
    canonical = canonical_request(method, prefix + path, (query or {}).items(), signed, payload_hash)
    headers["Authorization"] = authorization(scope, canonical)
    return await call.fetch(method, _url(settings, path, (query or {}).items()), headers=headers, body=body)


def _url(settings: Settings, path: str, query: Pairs) -> str:
    pairs = "&".join(f"{quote(name, safe=_UNRESERVED)}={quote(value, safe=_UNRESERVED)}" for name, value in query)
    return settings.base() + quote(path, safe="/" + _UNRESERVED) + (f"?{pairs}" if pairs else "")


async def put_object(call: Call, given: Put) -> Stored:
    """Stores a text."""
    path = _path(call.settings, given.key)
    response = await _send(call, "PUT", path, body=given.text.encode(), content_type=given.content_type)
    return Stored(etag=response.headers.get("etag", "").strip('"'))


async def get_object(call: Call, given: OneKey) -> Content:
    """Reads an object of at most 4 MiB."""
    response = await _send(call, "GET", _path(call.settings, given.key))
    return Content(content=decode_body(response), content_type=response.headers.get("content-type", ""))


async def delete_object(call: Call, given: OneKey) -> Nothing:
    """Removes an object."""
    await _send(call, "DELETE", _path(call.settings, given.key))
    return Nothing()


async def list_objects(call: Call, given: Search) -> Objects:
    """Lists objects; the answer is read without an XML parser, which could be made to expand."""
    query = {"list-type": "2", "max-keys": str(given.limit), "prefix": given.prefix}
    text = (await _send(call, "GET", f"/{call.settings.bucket}", query=query)).body.decode(errors="replace")
    objects = [
        Found(key=html.unescape(_element("Key", item)), size=int(_element("Size", item) or 0))
        for item in re.findall(r"<Contents>(.*?)</Contents>", text, re.DOTALL)
    ]
    return Objects(objects=objects, has_more=_element("IsTruncated", text) == "true")


def _element(name: str, text: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


async def share_object(call: Call, given: Share) -> Link:
    """Signs an address; nobody is called."""
    settings: Settings = call.settings
    scope = _scope(call)
    path = _path(settings, given.key)
    base = urlsplit(settings.base())
    query = presigning(scope, ["host"], given.seconds, call.secrets.get("session_token"))
    canonical = canonical_request("GET", base.path + path, query.items(), [("host", base.netloc)], "UNSIGNED-PAYLOAD")
    query["X-Amz-Signature"] = scope.signature(canonical)
    return Link(url=_url(settings, path, query.items()))


async def test(call: Call) -> None:
    """Lists one object."""
    await list_objects(call, Search(limit=1))


CONNECTOR = Connector(
    id="s3",
    name="S3",
    description="Stores, reads, lists, removes and shares objects of a bucket.",
    settings=Settings,
    secrets=(
        Secret("access_key_id", "The access key's id."),
        Secret("secret_access_key", "The access key's secret."),
        Secret("session_token", "The token of temporary credentials.", required=False),
    ),
    actions=(
        Action("put_object", "Stores a text object.", Put, Stored, put_object),
        Action("get_object", "Reads an object of at most 4 MiB.", OneKey, Content, get_object),
        Action("list_objects", "Lists objects.", Search, Objects, list_objects),
        Action("delete_object", "Removes an object.", OneKey, Nothing, delete_object),
        Action("share_object", "Signs an address that reads the object for a time.", Share, Link, share_object),
    ),
    targets=_targets,
    test=test,
)
