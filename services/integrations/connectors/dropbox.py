"""Dropbox: files up, down and listed."""

import json
from typing import Annotated, Any, Literal

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
    Target,
    checked_url,
    target_of,
)
from shared.egress import Response

Path = Annotated[str, Field(max_length=1000, pattern=r"^/[^\x00-\x1f\\]*$", examples=["/reports/week.csv"])]


class Settings(Shape):
    """Where Dropbox answers."""

    api_url: Annotated[str, AfterValidator(checked_url)] = "https://api.dropboxapi.com/2"
    content_url: Annotated[str, AfterValidator(checked_url)] = "https://content.dropboxapi.com/2"


class Upload(Payload):
    """A file to write, as text or base64."""

    path: Path
    mode: Literal["add", "overwrite"] = "overwrite"


class File(Shape):
    """A file as Dropbox knows it."""

    path: str
    revision: str
    size: int = Field(ge=0)


class Download(Shape):
    """A file to read."""

    path: Path


class Folder(Shape):
    """A folder to list; the empty path is the root."""

    path: Annotated[str, Field(max_length=1000, pattern=r"^(/[^\x00-\x1f\\]*)?$")] = ""
    recursive: bool = False


class Entry(Shape):
    """A file or folder."""

    kind: str
    path: str


class Entries(Shape):
    """The first page of a folder, and whether there is more."""

    entries: list[Entry]
    has_more: bool


def _targets(settings: Settings) -> tuple[Target, ...]:
    return (target_of(settings.api_url), target_of(settings.content_url))


async def _send(call: Call, url: str, *, body: Any = None, argument: Any = None) -> Response:
    """Errors of a route are 409 with a summary, whose first part is the code."""
    headers = call.bearer("access_token")
    if argument is not None:
        headers["Dropbox-API-Arg"] = json.dumps(argument)  # ASCII, as a header must be
        headers["Content-Type"] = "application/octet-stream"
    response = await call.http("POST", url, headers=headers, body=body)
    if response.status == 409:
        code = str(response.json().get("error_summary", "unknown")).partition("/")[0]
        raise call.failure(code, f"Dropbox answered {code}.")
    return call.expect(response)


async def upload(call: Call, given: Upload) -> File:
    """Writes a file."""
    settings: Settings = call.settings
    argument = {"path": given.path, "mode": given.mode, "mute": True}
    response = await _send(call, f"{settings.content_url}/files/upload", body=given.content(), argument=argument)
    found = response.json()
    return File(path=found["path_display"], revision=found["rev"], size=found["size"])


async def download(call: Call, given: Download) -> Content:
    """Reads a file of at most 4 MiB."""
    settings: Settings = call.settings
    response = await _send(call, f"{settings.content_url}/files/download", argument={"path": given.path})
    return Content.of(response.body)


async def list_folder(call: Call, given: Folder) -> Entries:
    """Lists a folder."""
    settings: Settings = call.settings
    body = {"path": given.path, "recursive": given.recursive, "limit": 1000}
    found = (await _send(call, f"{settings.api_url}/files/list_folder", body=body)).json()
    entries = [Entry(kind=item[".tag"], path=item["path_display"]) for item in found["entries"]]
    return Entries(entries=entries, has_more=found["has_more"])


async def test(call: Call) -> None:
    """Asks whose token it is."""
    settings: Settings = call.settings
    await _send(call, f"{settings.api_url}/users/get_current_account")


CONNECTOR = Connector(
    id="dropbox",
    name="Dropbox",
    description="Writes, reads and lists files in Dropbox.",
    settings=Settings,
    secrets=(Secret("access_token", "An access token; authorizing by OAuth sets it.", required=False),),
    actions=(
        Action("upload", "Writes a file of at most 3 MB.", Upload, File, upload),
        Action("download", "Reads a file of at most 4 MiB.", Download, Content, download),
        Action("list_folder", "Lists a folder.", Folder, Entries, list_folder),
    ),
    targets=_targets,
    test=test,
    temporary=frozenset({"too_many_write_operations", "internal_error"}),
    authorization=Authorization(
        authorize_url="https://www.dropbox.com/oauth2/authorize",
        token_url="https://api.dropboxapi.com/oauth2/token",  # noqa: S106  # an address
        extra={"token_access_type": "offline"},
    ),
)
