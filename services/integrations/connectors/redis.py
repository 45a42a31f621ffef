"""Redis and its kin: values, counters and channels."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import Field
from redis.asyncio import Connection
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from services.integrations.connector import Action, Call, Connector, Secret, Shape, Target
from shared.destinations import Ports
from shared.egress import Socket, TargetFailed

Key = Annotated[str, Field(min_length=1, max_length=1024, examples=["builds:last"])]


class Settings(Shape):
    """Which server and database."""

    host: Annotated[str, Field(min_length=1, max_length=253, examples=["redis.example.com"])]
    port: int = Field(default=6379, ge=1, le=65_535)
    tls: bool = True
    username: Annotated[str, Field(max_length=100)] = "default"
    database: int = Field(default=0, ge=0, le=1000)


class OneKey(Shape):
    """Which key."""

    key: Key


class Value(Shape):
    """The text under a key, null when there is none."""

    value: str | None


class NewValue(Shape):
    """A text to store, perhaps for a time, perhaps only where there is none."""

    key: Key
    value: Annotated[str, Field(max_length=1_000_000)]
    ttl_seconds: Annotated[int | None, Field(ge=1)] = None
    only_if_absent: bool = False


class Stored(Shape):
    """Whether it was stored."""

    stored: bool


class Deleted(Shape):
    """Whether there was one."""

    deleted: bool


class Step(Shape):
    """How far to move a counter."""

    key: Key
    by: int = 1


class Count(Shape):
    """The counter after it moved."""

    value: int


class Publication(Shape):
    """A message for the subscribers of a channel."""

    channel: Key
    message: Annotated[str, Field(max_length=1_000_000)]


class Received(Shape):
    """How many subscribers got it."""

    receivers: int


def _targets(settings: Settings) -> tuple[Target, ...]:
    return (Target(settings.host, settings.port, secure=settings.tls),)


class _Pinned(Connection):
    """A connection over the socket that the guard opened."""

    def __init__(self, opened: Socket, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        secure = {"ssl": ssl.create_default_context(), "server_hostname": settings.host} if settings.tls else {}
        self._arguments = {"sock": opened, **secure}

    def _connection_arguments(self) -> Mapping[str, Any]:
        return self._arguments


@asynccontextmanager
async def _connection(call: Call) -> AsyncIterator[_Pinned]:
    settings: Settings = call.settings
    opened = await call.connect(settings.host, settings.port)
    password = call.secrets.get("password")
    connection = _Pinned(
        opened,
        settings,
        db=settings.database,
        username=settings.username if password else None,
        password=password,
        socket_timeout=call.timeout,
        socket_connect_timeout=call.timeout,
        decode_responses=True,
    )
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        yield connection
    except (AuthenticationError, NoPermissionError):
        raise TargetFailed("credential-refused", "The server refused the credential.", retryable=False) from None
    except (RedisConnectionError, RedisTimeout) as error:
        raise TargetFailed("target-unreachable", "The server does not answer.", retryable=True) from error
    except ResponseError as error:
        raise TargetFailed("target-refused", "The server refused the command.", retryable=False) from error
    except (RedisError, UnicodeDecodeError) as error:
        raise TargetFailed("response-malformed", "The server's answer is not text.", retryable=False) from error
    finally:
        await connection.disconnect(nowait=True)
        opened.close()


async def _command(call: Call, *words: str) -> Any:
    async with _connection(call) as connection:
        await connection.send_command(*words)
        return await connection.read_response()


async def get(call: Call, given: OneKey) -> Value:
    """Reads a text."""
    return Value(value=await _command(call, "GET", given.key))


async def put(call: Call, given: NewValue) -> Stored:
    """Stores a text."""
    words = ["SET", given.key, given.value]
    words += ["EX", str(given.ttl_seconds)] if given.ttl_seconds else []
    words += ["NX"] if given.only_if_absent else []
    return Stored(stored=await _command(call, *words) is not None)


async def delete(call: Call, given: OneKey) -> Deleted:
    """Deletes a key."""
    return Deleted(deleted=await _command(call, "DEL", given.key) == 1)


async def increment(call: Call, given: Step) -> Count:
    """Moves a counter."""
    return Count(value=await _command(call, "INCRBY", given.key, str(given.by)))


async def publish(call: Call, given: Publication) -> Received:
    """Publishes a message."""
    return Received(receivers=await _command(call, "PUBLISH", given.channel, given.message))


async def test(call: Call) -> None:
    """Logs in and pings."""
    await _command(call, "PING")


CONNECTOR = Connector(
    id="redis",
    name="Redis",
    description="Reads and stores texts, moves counters and publishes messages in Redis.",
    settings=Settings,
    secrets=(Secret("password", "The password of the user in the settings.", required=False),),
    actions=(
        Action("get", "Reads a text.", OneKey, Value, get),
        Action("set", "Stores a text.", NewValue, Stored, put),
        Action("delete", "Deletes a key.", OneKey, Deleted, delete),
        Action("increment", "Moves a counter.", Step, Count, increment),
        Action("publish", "Publishes a message to a channel.", Publication, Received, publish),
    ),
    targets=_targets,
    test=test,
    ports=Ports(only=frozenset({6379}), at_least=1024, never=frozenset({5432})),
)
