"""GitHub, or a GitHub Enterprise server: issues, comments, workflow dispatches and commit statuses."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from services.integrations.connector import (
    Action,
    Call,
    Connector,
    Nothing,
    Secret,
    Shape,
    base_target,
    checked_url,
)
from shared.egress import Response

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}

Segment = Annotated[str, Field(pattern=r"^\.?[A-Za-z0-9_-][A-Za-z0-9_.-]{0,98}$", examples=["floyo"])]


class Settings(Shape):
    """Which GitHub; an Enterprise server answers under /api/v3."""

    base_url: Annotated[str, AfterValidator(checked_url)] = "https://api.github.com"


class Repository(Shape):
    """Which repository."""

    owner: Segment
    repo: Segment


class NewIssue(Repository):
    """An issue to open."""

    title: Annotated[str, Field(min_length=1, max_length=256, examples=["Build failed"])]
    body: Annotated[str, Field(max_length=65_536)] = ""
    labels: list[str] = Field(default_factory=list)
    assignees: list[str] = Field(default_factory=list)


class NewComment(Repository):
    """A comment on an issue or pull request."""

    number: int = Field(ge=1, examples=[1])
    body: Annotated[str, Field(min_length=1, max_length=65_536, examples=["Seen."])]


class Dispatch(Repository):
    """A workflow of GitHub Actions to start."""

    workflow: Segment
    ref: Annotated[str, Field(min_length=1, max_length=255)] = "main"
    inputs: dict[str, str] = Field(default_factory=dict)


class NewStatus(Repository):
    """What to say of a commit."""

    sha: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$", examples=["0" * 40])]
    state: Literal["error", "failure", "pending", "success"]
    context: Annotated[str, Field(max_length=100)] = "floyo"
    description: Annotated[str, Field(max_length=140)] = ""
    target_url: str | None = None


class Made(Shape):
    """What was made, by id and address."""

    id: int
    number: int | None = None
    url: str


async def _send(call: Call, method: str, path: str, body: Any = None) -> Response:
    """A spent rate limit is 403 or 429 with telling headers, and worth another try."""
    settings: Settings = call.settings
    headers = {**_HEADERS, **call.bearer("token")}
    response = await call.http(method, settings.base_url.rstrip("/") + path, headers=headers, body=body)
    if response.status in (403, 429) and (
        response.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in response.headers
    ):
        raise call.failure("rate-limited", "GitHub's rate limit is spent.")
    return call.expect(response)


def _made(response: Response) -> Made:
    found = response.json()
    return Made(id=found["id"], number=found.get("number"), url=found.get("html_url") or found["url"])


async def create_issue(call: Call, given: NewIssue) -> Made:
    """Opens an issue."""
    body = given.model_dump(include={"title", "body", "labels", "assignees"})
    return _made(await _send(call, "POST", f"/repos/{given.owner}/{given.repo}/issues", body))


async def comment(call: Call, given: NewComment) -> Made:
    """Comments on an issue or pull request."""
    path = f"/repos/{given.owner}/{given.repo}/issues/{given.number}/comments"
    return _made(await _send(call, "POST", path, {"body": given.body}))


async def dispatch_workflow(call: Call, given: Dispatch) -> Nothing:
    """Starts a workflow of GitHub Actions."""
    path = f"/repos/{given.owner}/{given.repo}/actions/workflows/{given.workflow}/dispatches"
    await _send(call, "POST", path, {"ref": given.ref, "inputs": given.inputs})
    return Nothing()


async def set_status(call: Call, given: NewStatus) -> Made:
    """Sets a status of a commit."""
    body = given.model_dump(include={"state", "context", "description", "target_url"}, exclude_none=True)
    return _made(await _send(call, "POST", f"/repos/{given.owner}/{given.repo}/statuses/{given.sha}", body))


async def test(call: Call) -> None:
    """Asks for the rate limit, which every kind of token may."""
    await _send(call, "GET", "/rate_limit")


CONNECTOR = Connector(
    id="github",
    name="GitHub",
    description="Opens issues, comments, starts workflows and sets commit statuses on GitHub.",
    settings=Settings,
    secrets=(Secret("token", "A personal, fine-grained or installation access token."),),
    actions=(
        Action("create_issue", "Opens an issue.", NewIssue, Made, create_issue),
        Action("comment", "Comments on an issue or pull request.", NewComment, Made, comment),
        Action("dispatch_workflow", "Starts a workflow of GitHub Actions.", Dispatch, Nothing, dispatch_workflow),
        Action("set_status", "Sets a status of a commit.", NewStatus, Made, set_status),
    ),
    targets=base_target,
    test=test,
    hooks=("github",),
    temporary=frozenset({"rate-limited"}),
)
