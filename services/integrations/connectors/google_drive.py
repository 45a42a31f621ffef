"""Google Drive: files up, down and listed."""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from services.integrations.connector import (
    Action,
    Authorization,
    Call,
    Connector,
    Content,
    Payload,
    Secret,
    Shape,
    base_target,
    checked_url,
)
from shared import ids
from shared.egress import Response

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$", examples=["1AbC"])]
MediaType = Annotated[str, Field(pattern=r"^[a-z0-9.+-]{1,100}/[a-z0-9.+-]{1,100}$")]
_FIELDS = "id,name,mimeType,webViewLink"


class Settings(Shape):
    """Where Drive answers."""

    base_url: Annotated[str, AfterValidator(checked_url)] = "https://www.googleapis.com"


class Upload(Payload):
    """A file to make, as text or base64."""

    name: Annotated[str, Field(min_length=1, max_length=500, examples=["week.csv"])]
    mime_type: MediaType | None = None
    folder_id: Id | None = None


class File(Shape):
    """A file as Drive knows it."""

    id: str
    name: str
    mime_type: str
    url: str | None = None


class Search(Shape):
    """Which files, in Drive's query language; empty is every one."""

    query: Annotated[str, Field(max_length=2000)] = ""
    limit: int = Field(default=100, ge=1, le=1000)


class Files(Shape):
    """The first page of files, and whether there is more."""

    files: list[File]
    has_more: bool


class Download(Shape):
    """A file to read."""

    id: Id


async def _send(call: Call, method: str, path: str, **options: Any) -> Response:
    """A spent quota is 403 with a reason that says so."""
    settings: Settings = call.settings
    headers = {**call.bearer("access_token"), **options.pop("headers", {})}
    response = await call.http(method, settings.base_url.rstrip("/") + path, headers=headers, **options)
    reason = _reason(response) if response.status == 403 else ""
    if reason in call.connector.temporary:
        raise call.failure(reason, f"Google answered {reason}.")
    return call.expect(response)


def _reason(response: Response) -> str:
    found = response.json()
    errors = found.get("error", {}).get("errors", []) if isinstance(found, dict) else []
    return str(errors[0].get("reason", "")) if errors else ""


async def upload(call: Call, given: Upload) -> File:
    """Makes a file, in one request of two parts."""
    kind = given.mime_type or ("text/plain" if given.content_base64 is None else "application/octet-stream")
    metadata: dict[str, Any] = {"name": given.name, "mimeType": kind}
    if given.folder_id:
        metadata["parents"] = [given.folder_id]
    boundary = f"floyo-{ids.new().hex}"
    parts = [("application/json; charset=UTF-8", orjson.dumps(metadata)), (kind, given.content())]
    body = b"".join(f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + part + b"\r\n" for kind, part in parts)
    response = await _send(
        call,
        "POST",
        "/upload/drive/v3/files",
        query={"uploadType": "multipart", "fields": _FIELDS},
        headers={"Content-Type": f"multipart/related; boundary={boundary}"},
        body=body + f"--{boundary}--\r\n".encode(),
    )
    return _file(response.json())


async def list_files(call: Call, given: Search) -> Files:
    """Lists files."""
    query = {"pageSize": str(given.limit), "fields": f"nextPageToken,files({_FIELDS})"}
    if given.query:
        query["q"] = given.query
    found = (await _send(call, "GET", "/drive/v3/files", query=query)).json()
    return Files(files=[_file(item) for item in found["files"]], has_more="nextPageToken" in found)


async def download(call: Call, given: Download) -> Content:
    """Reads a file of at most 4 MiB."""
    response = await _send(call, "GET", f"/drive/v3/files/{given.id}", query={"alt": "media"})
    return Content.of(response.body)


async def test(call: Call) -> None:
    """Asks whose token it is."""
    await _send(call, "GET", "/drive/v3/about", query={"fields": "user"})


def _file(found: dict[str, Any]) -> File:
    return File(id=found["id"], name=found["name"], mime_type=found["mimeType"], url=found.get("webViewLink"))


CONNECTOR = Connector(
    id="google_drive",
    name="Google Drive",
    description="Makes, reads and lists files in Google Drive.",
    settings=Settings,
    secrets=(Secret("access_token", "An access token; authorizing by OAuth sets it.", required=False),),
    actions=(
        Action("upload", "Makes a file of at most 3 MB.", Upload, File, upload),
        Action("download", "Reads a file of at most 4 MiB.", Download, Content, download),
        Action("list_files", "Lists files.", Search, Files, list_files),
    ),
    targets=base_target,
    test=test,
    temporary=frozenset({"rateLimitExceeded", "userRateLimitExceeded", "backendError", "sharingRateLimitExceeded"}),
    authorization=Authorization(
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106  # an address
        scopes=("https://www.googleapis.com/auth/drive.file",),
        extra={"access_type": "offline", "prompt": "consent"},
    ),
)
