"""PostgreSQL: one statement with parameters, read-only unless the settings say otherwise."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal

import asyncpg
from pydantic import Field

from services.integrations.connector import Action, Call, Connector, Secret, Shape, Target
from shared.destinations import Ports
from shared.egress import TargetFailed

_MAX_BYTES = 4 * 1024 * 1024
# Connection, resources, operator intervention, system and conflicts: the server's trouble, not the statement's.
_TEMPORARY = ("08", "53", "57", "58", "40")

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f]*$")]


class Settings(Shape):
    """Which database, as whom, and whether it may be changed."""

    host: Annotated[str, Field(min_length=1, max_length=253, examples=["db.example.com"])]
    port: int = Field(default=5432, ge=1, le=65_535)
    database: Name
    user: Name
    tls: Literal["verify", "none"] = "verify"
    read_only: bool = True


class Query(Shape):
    """One statement with $1, $2, … and their values."""

    sql: Annotated[str, Field(min_length=1, max_length=100_000, examples=["SELECT 1 AS one"])]
    parameters: list[Any] = Field(default_factory=list, max_length=1000)
    limit: int = Field(default=100, ge=1, le=10_000)


class Rows(Shape):
    """Up to `limit` rows; values that JSON lacks are texts, bytes are base64."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


def _targets(settings: Settings) -> tuple[Target, ...]:
    return (Target(settings.host, settings.port, secure=settings.tls == "verify"),)


class _PinnedLoop:
    """The running loop, except that connections are made over the sockets that the guard opens."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, factory: Any, host: str, port: int, **_options: Any) -> Any:
        opened = await self._call.connect(host, port)
        try:
            return await self._loop.create_connection(factory, sock=opened)
        except BaseException:
            opened.close()
            raise


@asynccontextmanager
async def _connection(call: Call) -> AsyncIterator[Any]:
    settings: Settings = call.settings
    connection = None
    try:
        connection = await asyncpg.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            database=settings.database,
            password=call.secret("password"),
            ssl=ssl.create_default_context() if settings.tls == "verify" else False,
            timeout=call.timeout,
            command_timeout=call.timeout,
            statement_cache_size=0,
            loop=_PinnedLoop(call),
            server_settings={
                "application_name": "floyo",
                "default_transaction_read_only": "on" if settings.read_only else "off",
                "statement_timeout": str(int(call.timeout * 1000)),
            },
        )
        yield connection
    except asyncpg.PostgresError as error:
        raise _problem(error) from None
    except (asyncpg.InterfaceError, ValueError) as error:
        raise TargetFailed("target-refused", "The statement and its parameters do not fit.", retryable=False) from error
    except ssl.SSLError as error:
        raise TargetFailed("tls-failed", "The server's certificate is not good.", retryable=False) from error
    except ConnectionError as error:
        raise TargetFailed("target-unreachable", "The server broke the connection.", retryable=True) from error
    finally:
        if connection is not None:
            connection.terminate()


def _problem(error: asyncpg.PostgresError) -> TargetFailed:
    """The SQLSTATE is told, the message is not: it may quote values."""
    state = error.sqlstate or "08000"
    slug = "credential-refused" if state.startswith("28") else "target-refused"
    problem = TargetFailed(slug, f"PostgreSQL answered {state}.", retryable=state.startswith(_TEMPORARY))
    problem.extensions["target_code"] = state
    return problem


async def query(call: Call, given: Query) -> Rows:
    """A prepared statement is one statement, so that nothing ends the read-only transaction and goes on."""
    settings: Settings = call.settings
    async with _connection(call) as connection, connection.transaction(readonly=settings.read_only):
        statement = await connection.prepare(given.sql)
        cursor = await statement.cursor(*given.parameters) if statement.get_attributes() else None
        if cursor is None:
            await statement.fetch(*given.parameters)
            return Rows(columns=[], rows=[], truncated=False)
        found = await cursor.fetch(given.limit + 1)
        columns = [attribute.name for attribute in statement.get_attributes()]
    rows, size = [], 0
    for record in found[: given.limit]:
        row = [_json(value) for value in record]
        size += sum(len(str(value)) for value in row)
        if size > _MAX_BYTES:
            raise TargetFailed("output-too-large", "The rows hold more than 4 MiB.", retryable=False)
        rows.append(row)
    return Rows(columns=columns, rows=rows, truncated=len(found) > given.limit)


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return str(value)


async def test(call: Call) -> None:
    """Logs in and asks for the number one."""
    async with _connection(call) as connection:
        await connection.fetchval("SELECT 1")


CONNECTOR = Connector(
    id="postgres",
    name="PostgreSQL",
    description="Runs one statement with parameters, read-only unless the settings say otherwise.",
    settings=Settings,
    secrets=(Secret("password", "The password of the user in the settings."),),
    actions=(Action("query", "Runs one statement and answers its rows.", Query, Rows, query),),
    targets=_targets,
    test=test,
    ports=Ports(only=frozenset({5432}), at_least=1024, never=frozenset({6379})),
)
