"""Any HTTP API: requests below one base address, with a credential that travels nowhere else."""

import base64
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, Field

from services.integrations.connector import (
    Action,
    Call,
    Connector,
    Secret,
    Shape,
    base_target,
    checked_url,
    decode_body,
)

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _checked_path(path: str) -> str:
    decoded = unquote(path.partition("?")[0])
    if not decoded.startswith("/") or "\\" in decoded or ".." in decoded.split("/"):
        raise ValueError("must start with / and hold no dot segments")
    return path


class Settings(Shape):
    """Where the API is and how it wants to be greeted."""

    base_url: Annotated[str, AfterValidator(checked_url), Field(examples=["https://api.example.com/v1"])]
    auth: Literal["none", "bearer", "basic", "header"] = "none"
    header_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = "X-Api-Key"
    username: Annotated[str, Field(max_length=200, pattern=r"^[^:\x00-\x1f]*$")] = ""
    headers: dict[str, str] = Field(default_factory=dict)
    test_path: Annotated[str, AfterValidator(_checked_path)] = "/"


class Request(Shape):
    """One request; `path` is put after the base address."""

    method: Method = "GET"
    path: Annotated[str, AfterValidator(_checked_path), Field(max_length=4096, examples=["/"])] = "/"
    query: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None


class Answer(Shape):
    """What the target answered; a JSON body is decoded."""

    status: int = Field(examples=[200])
    headers: dict[str, str]
    body: Any = None


def _greeting(call: Call) -> dict[str, str]:
    settings: Settings = call.settings
    if settings.auth == "bearer":
        return call.bearer("token")
    if settings.auth == "header":
        return {settings.header_name: call.secret("token")}
    if settings.auth == "basic":
        pair = f"{settings.username}:{call.secret('password')}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    return {}


async def request(call: Call, given: Request) -> Answer:
    """Any status is an answer; the caller judges it."""
    settings: Settings = call.settings
    headers = {**settings.headers, **given.headers, **_greeting(call)}
    url = settings.base_url.rstrip("/") + given.path
    response = await call.http(given.method, url, headers=headers, query=given.query, body=given.body)
    return Answer(status=response.status, headers=response.headers, body=decode_body(response))


async def test(call: Call) -> None:
    """The address at `test_path` must answer below 400."""
    settings: Settings = call.settings
    headers = {**settings.headers, **_greeting(call)}
    await call.fetch("GET", settings.base_url.rstrip("/") + settings.test_path, headers=headers)


CONNECTOR = Connector(
    id="http",
    name="HTTP",
    description="Calls any HTTP API below one base address.",
    settings=Settings,
    secrets=(
        Secret("token", "The bearer token, or the value of the header named in the settings.", required=False),
        Secret("password", "The password of basic authentication.", required=False),
    ),
    actions=(Action("request", "Sends one request and answers what came back.", Request, Answer, request),),
    targets=base_target,
    test=test,
    hooks=("github", "gitlab", "pagerduty", "slack", "standard-webhooks", "stripe", "twilio"),
)
