"""S3 and whatever speaks its protocol: objects of a bucket up, down, described, copied, listed, removed and shared.

What passes through a workflow is small: 3 MB to store, 4 MiB to read, in ten seconds. Larger objects are read in
parts, copied where they are, or sent and fetched by whoever holds a signed address.
"""

import html
import re
from hashlib import sha256
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field

from services.integrations.connector import (
    MAX_CONTENT,
    Action,
    Call,
    Connector,
    Nothing,
    Payload,
    Secret,
    Shape,
    Target,
    checked_url,
    decode_body,
    target_of,
)
from services.integrations.connectors.s3 import signing
from services.integrations.connectors.s3.signing import Pairs, Scope
from shared import clock, errors
from shared.egress import Response

_UNREAD = "UNSIGNED-PAYLOAD"

Key = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f]*$", examples=["reports/week.csv"])]
MediaType = Annotated[str, Field(pattern=r"^[\x21-\x7e ]{1,200}$")]


class Settings(Shape):
    """Which bucket, where; without an endpoint it is Amazon's of the region."""

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", examples=["reports"])]
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = "us-east-1"
    endpoint: Annotated[str | None, AfterValidator(lambda url: url and checked_url(url))] = None

    def base(self) -> str:
        """The endpoint; buckets are addressed by path."""
        return (self.endpoint or f"https://s3.{self.region}.amazonaws.com").rstrip("/")


class Put(Payload):
    """An object to store, as text or base64."""

    key: Key
    content_type: MediaType | None = None


class Stored(Shape):
    """The object's entity tag."""

    etag: str


class OneKey(Shape):
    """Which object."""

    key: Key


class Part(OneKey):
    """Which object, and which part of it; without a length it is all from the offset."""

    offset: int = Field(default=0, ge=0)
    length: Annotated[int | None, Field(ge=1, le=MAX_CONTENT)] = None


class Content(Shape):
    """Text or JSON as it is, other bytes as {"base64": …}; `size` is that of the whole object."""

    content: object
    content_type: str
    size: int


class About(Shape):
    """What is known of an object without reading it."""

    size: int
    content_type: str
    etag: str
    modified: str


class Copy(OneKey):
    """An object to copy within the bucket, of up to 5 GB; no byte of it travels."""

    to: Key


class Search(Shape):
    """Which objects; `after` goes on where the page before ended."""

    prefix: Annotated[str, Field(max_length=1024)] = ""
    limit: int = Field(default=100, ge=1, le=1000)
    after: Annotated[str | None, Field(max_length=1024)] = None


class Found(Shape):
    """One object."""

    key: str
    size: int


class Objects(Shape):
    """The first page, and whether there is more."""

    objects: list[Found]
    has_more: bool


class Share(OneKey):
    """An object to share for a time, to read it or to send it."""

    seconds: int = Field(default=3600, ge=1, le=604_800)
    method: Literal["GET", "PUT"] = "GET"


class Link(Shape):
    """An address that reads or takes the object until it expires."""

    url: str


def _targets(settings: Settings) -> tuple[Target, ...]:
    return (target_of(settings.base()),)


def _scope(call: Call) -> Scope:
    settings: Settings = call.settings
    return Scope(call.secret("access_key_id"), call.secret("secret_access_key"), settings.region, "s3", clock.now())


def _path(settings: Settings, key: str) -> str:
    if any(part in (".", "..") for part in key.split("/")):
        raise errors.invalid_field("/input/key", "Must hold no dot segments.")
    return f"/{settings.bucket}/{key}"


def _url(settings: Settings, path: str, query: Pairs) -> str:
    spelled = signing.encode_query(query)
    return settings.base() + signing.encode_path(path) + (f"?{spelled}" if spelled else "")


async def _send(
    call: Call,
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> Response:
    """A spent rate is 503 SlowDown, which its status tells."""
    settings: Settings = call.settings
    scope, pairs = _scope(call), list((query or {}).items())
    payload_hash = sha256(body or b"").hexdigest()
    sent = {"x-amz-content-sha256": payload_hash, "x-amz-date": scope.stamp, **(headers or {})}
    if call.secrets.get("session_token"):
        sent["x-amz-security-token"] = call.secret("session_token")
    base = urlsplit(settings.base())
    signed = [("host", base.netloc), *sent.items()]
    canonical = signing.canonical_request(method, base.path + path, pairs, signed, payload_hash)
    sent["Authorization"] = signing.authorization(scope, canonical)
    return await call.fetch(method, _url(settings, path, pairs), headers=sent, body=body)


async def put_object(call: Call, given: Put) -> Stored:
    """Stores an object."""
    kind = given.content_type or (
        "text/plain; charset=utf-8" if given.content_base64 is None else "application/octet-stream"
    )
    path = _path(call.settings, given.key)
    response = await _send(call, "PUT", path, body=given.content(), headers={"content-type": kind})
    return Stored(etag=_etag(response))


async def get_object(call: Call, given: Part) -> Content:
    """Reads an object, or a part of it."""
    last = "" if given.length is None else given.offset + given.length - 1
    headers = {"range": f"bytes={given.offset}-{last}"} if given.offset or given.length else None
    response = await _send(call, "GET", _path(call.settings, given.key), headers=headers)
    whole = response.headers.get("content-range", "").rpartition("/")[2]
    return Content(
        content=decode_body(response),
        content_type=response.headers.get("content-type", ""),
        size=int(whole) if whole.isdigit() else len(response.body),
    )


async def describe_object(call: Call, given: OneKey) -> About:
    """Asks for an object's size, type and age without reading it."""
    found = (await _send(call, "HEAD", _path(call.settings, given.key))).headers
    return About(
        size=int(found.get("content-length", "0")),
        content_type=found.get("content-type", ""),
        etag=found.get("etag", "").strip('"'),
        modified=found.get("last-modified", ""),
    )


async def copy_object(call: Call, given: Copy) -> Stored:
    """Copies within the bucket; S3 may say 200 and tell of an error in the body."""
    source = signing.encode_path(_path(call.settings, given.key))
    response = await _send(call, "PUT", _path(call.settings, given.to), headers={"x-amz-copy-source": source})
    text = response.body.decode(errors="replace")
    if code := _element("Code", text):
        raise call.failure(code, f"S3 answered {code}.")
    return Stored(etag=html.unescape(_element("ETag", text)).strip('"'))


async def delete_object(call: Call, given: OneKey) -> Nothing:
    """Removes an object."""
    await _send(call, "DELETE", _path(call.settings, given.key))
    return Nothing()


async def list_objects(call: Call, given: Search) -> Objects:
    """Lists objects; the answer is read without an XML parser, which could be made to expand."""
    query = {"list-type": "2", "max-keys": str(given.limit), "prefix": given.prefix}
    query |= {"start-after": given.after} if given.after else {}
    text = (await _send(call, "GET", f"/{call.settings.bucket}", query=query)).body.decode(errors="replace")
    objects = [
        Found(key=html.unescape(_element("Key", item)), size=int(_element("Size", item) or 0))
        for item in re.findall(r"<Contents>(.*?)</Contents>", text, re.DOTALL)
    ]
    return Objects(objects=objects, has_more=_element("IsTruncated", text) == "true")


def _element(name: str, text: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


def _etag(response: Response) -> str:
    return response.headers.get("etag", "").strip('"')


async def share_object(call: Call, given: Share) -> Link:
    """Signs an address; nobody is called."""
    settings: Settings = call.settings
    scope, base = _scope(call), urlsplit(settings.base())
    path = _path(settings, given.key)
    query = signing.presigning(scope, ["host"], given.seconds, call.secrets.get("session_token"))
    canonical = signing.canonical_request(
        given.method, base.path + path, query.items(), [("host", base.netloc)], _UNREAD
    )
    return Link(url=_url(settings, path, query.items()) + f"&X-Amz-Signature={quote(scope.signature(canonical))}")


async def test(call: Call) -> None:
    """Lists one object."""
    await list_objects(call, Search(limit=1))


CONNECTOR = Connector(
    id="s3",
    name="S3",
    description="Stores, reads, describes, copies, lists, removes and shares objects of a bucket.",
    settings=Settings,
    secrets=(
        Secret("access_key_id", "The access key's id."),
        Secret("secret_access_key", "The access key's secret."),
        Secret("session_token", "The token of temporary credentials.", required=False),
    ),
    actions=(
        Action("put_object", "Stores an object of at most 3 MB.", Put, Stored, put_object),
        Action("get_object", "Reads an object, or a part of it, of at most 4 MiB.", Part, Content, get_object),
        Action("describe_object", "Asks for an object's size, type and age.", OneKey, About, describe_object),
        Action("copy_object", "Copies an object within the bucket.", Copy, Stored, copy_object),
        Action("list_objects", "Lists objects.", Search, Objects, list_objects),
        Action("delete_object", "Removes an object.", OneKey, Nothing, delete_object),
        Action(
            "share_object", "Signs an address that reads or takes the object for a time.", Share, Link, share_object
        ),
    ),
    targets=_targets,
    test=test,
    temporary=frozenset({"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout"}),
)
