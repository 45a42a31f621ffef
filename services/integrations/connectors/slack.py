"""Slack: messages and reactions, through its Web API."""

from typing import Annotated, Any

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

Channel = Annotated[str, Field(min_length=1, max_length=100, examples=["C0123456789"])]
Timestamp = Annotated[str, Field(pattern=r"^[0-9]{1,12}\.[0-9]{1,8}$", examples=["1700000000.000100"])]


class Settings(Shape):
    """Which Slack; the default is the public one."""

    base_url: Annotated[str, AfterValidator(checked_url)] = "https://slack.com/api"


class NewMessage(Shape):
    """A message; `blocks` are Slack's Block Kit."""

    channel: Channel
    text: Annotated[str, Field(min_length=1, max_length=40_000, examples=["Build 7 failed"])]
    thread_ts: Timestamp | None = None
    blocks: list[dict[str, Any]] | None = None


class Posted(Shape):
    """Where the message stands."""

    channel: str
    ts: str = Field(examples=["1700000000.000100"])


class MessageChange(Shape):
    """A message to change."""

    channel: Channel
    ts: Timestamp
    text: Annotated[str, Field(min_length=1, max_length=40_000, examples=["Build 7 is fixed"])]


class Reaction(Shape):
    """A reaction to add, by the emoji's name."""

    channel: Channel
    timestamp: Timestamp
    name: Annotated[str, Field(pattern=r"^[a-z0-9_+'-]{1,100}$", examples=["eyes"])]


async def _send(call: Call, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Slack answers 200 with `ok` false and a code; a rate limit is 429."""
    settings: Settings = call.settings
    headers = call.bearer("token")
    if body is not None:
        headers["Content-Type"] = "application/json; charset=utf-8"
    verb, url = ("GET" if body is None else "POST"), f"{settings.base_url.rstrip('/')}/{method}"
    answer: dict[str, Any] = (await call.fetch(verb, url, headers=headers, body=body)).json()
    if not answer.get("ok"):
        code = str(answer.get("error", "unknown"))
        raise call.failure(code, f"Slack answered {code}.")
    return answer


async def post_message(call: Call, given: NewMessage) -> Posted:
    """Posts a message."""
    answer = await _send(call, "chat.postMessage", given.model_dump(exclude_none=True))
    return Posted(channel=answer["channel"], ts=answer["ts"])


async def update_message(call: Call, given: MessageChange) -> Posted:
    """Changes a message."""
    answer = await _send(call, "chat.update", given.model_dump())
    return Posted(channel=answer["channel"], ts=answer["ts"])


async def add_reaction(call: Call, given: Reaction) -> Nothing:
    """Adds a reaction."""
    await _send(call, "reactions.add", given.model_dump())
    return Nothing()


async def test(call: Call) -> None:
    """Asks whose token it is."""
    await _send(call, "auth.test")


CONNECTOR = Connector(
    id="slack",
    name="Slack",
    description="Posts and changes messages and adds reactions in Slack.",
    settings=Settings,
    secrets=(Secret("token", "A bot token, which starts with xoxb-."),),
    actions=(
        Action("post_message", "Posts a message to a channel or thread.", NewMessage, Posted, post_message),
        Action("update_message", "Changes the text of a message.", MessageChange, Posted, update_message),
        Action("add_reaction", "Adds a reaction to a message.", Reaction, Nothing, add_reaction),
    ),
    targets=base_target,
    test=test,
    hooks=("slack",),
    temporary=frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}),
    refusals=frozenset({
        "invalid_auth", "not_authed", "account_inactive", "token_expired", "token_revoked", "missing_scope",
    }),
)  # fmt: skip
