"""What one process of a service holds, from opening to closing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from shared import flags, log, metrics
from shared.database import Database
from shared.httpclient import Directory, Siblings
from shared.identity import Verifier
from shared.limits import Gate
from shared.pagination import Cursors
from shared.ratelimit import Limiter
from shared.servicetokens import ServiceTokens
from shared.settings import Settings

T = TypeVar("T")
Loop = Callable[["Service"], Awaitable[None]]
Lifespan = Callable[["Service"], Any]
Probe = Callable[[], Awaitable[dict[str, Any]]]

CANCEL_SECONDS = 1.0
LOOP_BACKOFF = (0.1, 0.5, 1.0, 2.0, 5.0)

_log = log.get(__name__)


@dataclass
class Service:
    """The parts that requests and jobs share; services add their own with `attach`.

    `components` are the service's own ones in `/health/detailed`, each answering {"status": "ok" or what is wrong, …}.
    `looked_at` is when a worker last took a job or saw an empty queue, by the monotonic clock; None in API processes.
    """

    name: str
    settings: Settings
    database: Database
    redis: redis.asyncio.Redis
    siblings: Siblings
    tokens: ServiceTokens
    verifier: Verifier
    cursors: Cursors
    gate: Gate
    draining: bool = False
    migrated: bool = False
    parts: dict[type, Any] = field(default_factory=dict)
    loops: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    components: dict[str, Probe] = field(default_factory=dict)
    looked_at: float | None = None

    def attach(self, part: Any) -> None:
        """Adds a part of the service's own, found again by its type."""
        self.parts[type(part)] = part

    def part(self, kind: type[T]) -> T:
        """The attached part of a type; raises KeyError when the process did not open it."""
        found: T = self.parts[kind]
        return found

    def start(self, loop: Loop) -> None:
        """Runs a background loop until closing, restarting it with back-off whenever it fails."""
        self.loops[loop.__name__] = asyncio.create_task(self._supervise(loop), name=loop.__name__)

    async def _supervise(self, loop: Loop) -> None:
        failures = 0
        while True:
            started_at = asyncio.get_running_loop().time()
            try:
                await loop(self)
                return
            except Exception as error:  # noqa: BLE001  # whatever it was, the loop must come back
                long_lived = asyncio.get_running_loop().time() - started_at > 60
                failures = 0 if long_lived else failures + 1
                metrics.LOOP_FAILURES.labels(loop.__name__).inc()
                _log.warning("loop-failed", loop=loop.__name__, failures=failures, error=repr(error))
                await asyncio.sleep(LOOP_BACKOFF[min(failures, len(LOOP_BACKOFF) - 1)])

    async def close(self) -> None:
        """Ends the loops, then closes every connection."""
        pending = set(self.loops.values())
        while pending:  # more than once: timeouts of libraries can swallow a cancellation that arrives with them
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)
        await self.siblings.close()
        await self.gate.limiter.close()
        await self.redis.aclose(close_connection_pool=True)
        await self.database.close()


class SiblingIdentity:
    """Checks proofs at auth's internal port."""

    def __init__(self, siblings: Siblings) -> None:
        self._siblings = siblings

    async def jwks(self) -> dict[str, Any]:
        """Auth's key set."""
        return dict(await self._siblings.call("auth", "GET", "/internal/jwks"))

    async def api_key(self, digest: str) -> dict[str, Any] | None:
        """What auth knows of a key, by digest."""
        answer = await self._siblings.call("auth", "GET", f"/internal/api-keys/{digest}")
        found: dict[str, Any] | None = answer["api_key"]
        return found

    async def revocations(self, after: int) -> dict[str, Any]:
        """The revocation feed after a position."""
        return dict(await self._siblings.call("auth", "GET", "/internal/revocations", query={"after": str(after)}))

    async def note_use(self, keys: set[UUID]) -> None:
        """Tells auth which API keys were used."""
        await self._siblings.call("auth", "POST", "/internal/api-keys/uses", json={"ids": list(keys)})


def build(name: str, settings: Settings) -> Service:
    """Wires a process together; nothing connects until it is used."""
    tokens = ServiceTokens(name, settings.service_key.get_secret_value(), settings.service_public_keys)
    siblings = Siblings(Directory(settings.siblings, settings.siblings_file), tokens)
    return Service(
        name=name,
        settings=settings,
        database=Database(
            settings.database_url.get_secret_value(),
            settings.system_database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            instance=settings.instance,
        ),
        redis=connect_redis(settings.redis_url.get_secret_value()),
        siblings=siblings,
        tokens=tokens,
        verifier=Verifier(SiblingIdentity(siblings), settings.public_url),
        cursors=Cursors(settings.secret_key.get_secret_value()),
        gate=Gate(Limiter(settings.redis_url.get_secret_value(), settings.instance), settings.limits),
    )


def connect_redis(url: str) -> redis.asyncio.Redis:
    """A client with bounded waits; the first command after a restart is retried once."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=20,
        timeout=1,
        socket_timeout=1.0,
        socket_connect_timeout=0.5,
        retry=Retry(ExponentialBackoff(cap=0.1, base=0.01), 1),
        retry_on_error=[RedisConnectionError],
    )
    return redis.asyncio.Redis(connection_pool=pool)


@asynccontextmanager
async def opened(service: Service, lifespan: Lifespan | None) -> AsyncIterator[Service]:
    """Enters the service's own lifespan, and closes everything afterwards."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(service.close)
        if lifespan is not None:
            await stack.enter_async_context(lifespan(service))
        if flags.Flags not in service.parts:
            flags.attach(service)
        yield service
