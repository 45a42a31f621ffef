"""Limits counted in Redis for all processes together; without Redis each process counts its share in memory."""

import asyncio
import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from redis.exceptions import RedisError

from shared import errors, log, metrics

PREFIX = "floyo:limits"
INSTANCES = f"{PREFIX}:instances"
SOCKET_SECONDS = 0.1
BEAT_SECONDS = 5.0
GONE_SECONDS = 20.0

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `quota` in any window of `seconds`; a strict limit refuses everything while Redis is away."""

    name: str
    quota: int
    seconds: int
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit, and in how many seconds some of it comes back."""

    limit: Limit
    remaining: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit` and `RateLimit-Policy`."""
        name = self.limit.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.limit.quota};w={self.limit.seconds}',
            "RateLimit": f'"{name}";r={self.remaining};t={self.reset}',
        }


class Limiter:
    """Exact moving windows over every process that shares one Redis."""

    def __init__(self, redis_url: str, instance: str) -> None:
        self._storage = RedisStorage(
            f"async+{redis_url}",
            implementation="redispy",
            wrap_exceptions=True,
            key_prefix=PREFIX,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
        )
        self._common = MovingWindowRateLimiter(self._storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._client: Any = getattr(self._storage.bridge, "storage")  # noqa: B009  # what the storage talks through
        self._closed = False
        self._instance = instance
        self._instances = 1
        self.backend = "redis"

    async def take(self, limit: Limit, key: str) -> Standing:
        """Uses one of the limit; raises TooManyRequests, and Unavailable for a strict limit without Redis."""
        return await self._ask(limit, key, use=True)

    async def check(self, limit: Limit, key: str) -> Standing:
        """As `take`, without using any."""
        return await self._ask(limit, key, use=False)

    async def beat(self) -> None:
        """Tells the other processes of this one and counts them, for ever; a loop of every process that limits."""
        while not self._closed:
            now = time.time()
            try:
                await self._client.zadd(INSTANCES, {self._instance: now})
                await self._client.zremrangebyscore(INSTANCES, 0, now - GONE_SECONDS)
                self._instances = max(1, await self._client.zcard(INSTANCES))
                self.backend = "redis"
            except (RedisError, OSError, TimeoutError):
                self.backend = "memory"
            await asyncio.sleep(BEAT_SECONDS)

    async def describe(self) -> dict[str, Any]:
        """{status, backend, instances}; `degraded` while each process counts for itself."""
        status = "ok" if self.backend == "redis" else "degraded"
        return {"status": status, "backend": self.backend, "instances": self._instances}

    async def close(self) -> None:
        """Closes the connections to Redis."""
        self._closed = True
        await self._client.aclose(close_connection_pool=True)

    async def _ask(self, limit: Limit, key: str, *, use: bool) -> Standing:
        try:
            standing = await self._decide(self._common, limit, limit.quota, key, use=use)
            self.backend = "redis"
            return standing
        except (StorageError, RedisError, OSError, TimeoutError) as error:
            if self.backend != "memory":
                _log.warning("limits-in-memory", error=type(error).__name__)
            self.backend = "memory"
        if limit.strict:
            raise errors.Unavailable("limiter-unavailable", "Attempts cannot be counted now.")
        return await self._decide(self._own, limit, math.ceil(limit.quota / self._instances), key, use=use)

    async def _decide(
        self, counter: MovingWindowRateLimiter, limit: Limit, quota: int, key: str, *, use: bool
    ) -> Standing:
        item, hidden = _item(limit, quota), _hidden(key)
        admitted = await (counter.hit(item, hidden) if use else counter.test(item, hidden))
        if not use and admitted:
            return Standing(limit, quota, 0)
        window = await counter.get_window_stats(item, hidden)
        standing = Standing(limit, window.remaining, max(1, math.ceil(window.reset_time - time.time())))
        metrics.LIMITED.labels(limit.name, "admitted" if admitted else "refused").inc()
        if not admitted:
            headers = {**standing.headers, "Retry-After": str(standing.reset)}
            raise errors.TooManyRequests("rate-limited", f"The limit {limit.name} is used up.", headers=headers)
        return standing


def _item(limit: Limit, quota: int) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(quota, limit.seconds, namespace=limit.name)


def _hidden(key: str) -> str:
    """Counters are named by digest, so that Redis learns no addresses."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
