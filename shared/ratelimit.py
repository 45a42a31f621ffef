"""Limits counted in Redis for all processes together; without Redis each process counts its share in memory."""

import asyncio
import hashlib
import math
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis.exceptions import RedisError

from shared import errors, log, metrics
from shared.testing import faults

PREFIX = "floyo:limits"
INSTANCES = f"{PREFIX}:instances"
WAIT_SECONDS = 0.1
WAITS = 3
CONNECTIONS = 20
BEAT_SECONDS = 5.0
AWAY_SECONDS = 1.0
GONE_SECONDS = 20.0
EXACT_QUOTA = 1_000
LOOK_SECONDS = 1.0
MAX_SEEN = 10_000
_OUTAGES = (StorageError, RedisError, OSError, TimeoutError)

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `quota` in any window of `seconds`; a strict limit refuses everything while Redis is away."""

    name: str
    quota: int
    seconds: int
    strict: bool = False

    @property
    def exact(self) -> bool:
        """Small limits remember every hit; large ones two counters, which weigh the window before by its rest."""
        return self.quota <= EXACT_QUOTA


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


class _Counters:
    """Windows in one storage; a limit divided by `share` is what this storage admits."""

    def __init__(self, storage: Any) -> None:
        self._exact = MovingWindowRateLimiter(storage)
        self._large = SlidingWindowCounterRateLimiter(storage)
        self._seen: dict[tuple[str, str], tuple[int, float, float]] = {}

    async def look(self, limit: Limit, key: str, share: int) -> Standing:
        """What is left."""
        item = _item(limit, math.ceil(limit.quota / share))
        window = await self._windows(limit).get_window_stats(item, _hidden(key))
        return Standing(limit, window.remaining, max(1, math.ceil(window.reset_time - time.time())))

    async def hit(self, limit: Limit, key: str, wanted: int, share: int) -> tuple[int, Standing]:
        """How many of `wanted` are admitted, and what is left: of large limits as of a second ago less own hits."""
        windows, item, hidden = self._windows(limit), _item(limit, math.ceil(limit.quota / share)), _hidden(key)
        admitted = wanted if await windows.hit(item, hidden, cost=wanted) else 0
        while admitted < wanted > 1 and await windows.hit(item, hidden):
            admitted += 1
        now = time.time()
        left, reset, old = self._seen.get((limit.name, hidden), (0, 0.0, 0.0))
        if limit.exact or admitted < wanted or now > old:
            window = await windows.get_window_stats(item, hidden)
            left, reset, old = window.remaining, window.reset_time, now + LOOK_SECONDS
        else:
            left = max(0, left - admitted)
        if not limit.exact:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen[limit.name, hidden] = (left, reset, old)
        return admitted, Standing(limit, left, max(1, math.ceil(reset - now)))

    def _windows(self, limit: Limit) -> Any:
        return self._exact if limit.exact else self._large


class Limiter:
    """Windows over every process that shares one Redis.

    Hits of one key that arrive in one turn of the loop, or while the last ones are counted, are counted together; when
    not all of them fit they are tried one by one, so that exactly as many are admitted as there is room for.
    """

    def __init__(self, redis_url: str, instance: str) -> None:
        storage = RedisStorage(f"async+{redis_url}", implementation="redispy", wrap_exceptions=True, key_prefix=PREFIX)
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._common = _Counters(storage)
        self._own = _Counters(MemoryStorage())
        self._client: Any = getattr(storage.bridge, "storage")  # noqa: B009  # what the storage talks through
        self._closed = False
        self._instance = instance
        self._instances = 1
        self._waiting: dict[tuple[Limit, str], list[asyncio.Future[Standing]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.backend = "redis"

    async def take(self, limit: Limit, key: str) -> Standing:
        """Uses one of the limit; raises TooManyRequests, and Unavailable for a strict limit without Redis."""
        return await self.ask(limit, key)

    def ask(self, limit: Limit, key: str) -> "asyncio.Future[Standing]":
        """As `take`, to be awaited beside others."""
        asked: asyncio.Future[Standing] = asyncio.get_running_loop().create_future()
        if (limit, key) in self._waiting:
            self._waiting[limit, key].append(asked)
        else:
            self._waiting[limit, key] = [asked]
            task = asyncio.create_task(self._serve(limit, key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return asked

    async def check(self, limit: Limit, key: str) -> Standing:
        """As `take`, without using any."""
        standing: Standing = await self._decide(limit, lambda counters, share: counters.look(limit, key, share))
        if standing.remaining < 1:
            raise _refusal(standing)
        return standing

    async def beat(self) -> None:
        """Tells the other processes of this one and counts them, for ever; a loop of every process that limits."""
        while not self._closed:
            try:
                self._instances = await _patiently(self._greet())
                self._use("redis")
            except _OUTAGES as error:
                self._use("memory", error)
            await asyncio.sleep(BEAT_SECONDS if self.backend == "redis" else AWAY_SECONDS)

    async def describe(self) -> dict[str, Any]:
        """{status, backend, instances}; `degraded` while each process counts for itself."""
        status = "ok" if self.backend == "redis" else "degraded"
        return {"status": status, "backend": self.backend, "instances": self._instances}

    async def close(self) -> None:
        """Closes the connections to Redis."""
        self._closed = True
        await self._client.aclose(close_connection_pool=True)

    async def _greet(self) -> int:
        now = time.time()
        await self._client.zadd(INSTANCES, {self._instance: now})
        await self._client.zremrangebyscore(INSTANCES, 0, now - GONE_SECONDS)
        return max(1, int(await self._client.zcard(INSTANCES)))

    async def _serve(self, limit: Limit, key: str) -> None:
        place = (limit, key)
        try:
            while asked := self._waiting[place]:
                self._waiting[place] = []
                await self._settle(limit, key, asked)
        finally:
            for left in self._waiting.pop(place):
                left.cancel()

    async def _settle(self, limit: Limit, key: str, asked: "list[asyncio.Future[Standing]]") -> None:
        try:
            admitted, standing = await self._decide(
                limit, lambda counters, share: counters.hit(limit, key, len(asked), share)
            )
        except Exception as error:  # noqa: BLE001  # whatever it was, everybody who asked must hear of it
            for one in asked:
                _answer(one, error)
            return
        metrics.LIMITED.labels(limit.name, "admitted").inc(admitted)
        metrics.LIMITED.labels(limit.name, "refused").inc(len(asked) - admitted)
        for place, one in enumerate(asked):
            _answer(one, standing if place < admitted else _refusal(standing))

    async def _decide(self, limit: Limit, count: Any) -> Any:
        """Counts in Redis; while it is away, in memory, without asking it again before it answers a heartbeat."""
        if faults.active("limits-in-memory"):
            return await count(self._own, 1)
        async with self._room:
            if self.backend == "redis" or limit.strict:
                try:
                    counted = await _patiently(count(self._common, 1))
                    if self.backend != "redis":
                        self._use("redis")
                    return counted
                except _OUTAGES as error:
                    self._use("memory", error)
        if limit.strict:
            raise errors.Unavailable("limiter-unavailable", "Attempts cannot be counted now.")
        return await count(self._own, self._instances)

    def _use(self, backend: str, error: Exception | None = None) -> None:
        if backend != self.backend:
            _log.warning("limits-counted", backend=backend, error=type(error).__name__)
        self.backend = backend
        for name in ("redis", "memory"):
            metrics.LIMITER_BACKEND.labels(name).set(name == backend)


async def _patiently(counting: Coroutine[Any, Any, Any]) -> Any:
    """Its outcome; TimeoutError when Redis hangs.

    One wait may pass while this process is held up and the answer lies in its socket, so others follow.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as bound:

        def wait(more: int) -> None:
            if more:
                timers.append(loop.call_later(WAIT_SECONDS, wait, more - 1))
            else:
                bound.reschedule(loop.time())

        timers = [loop.call_later(WAIT_SECONDS, wait, WAITS - 1)]
        try:
            return await counting
        finally:
            timers[-1].cancel()


def _answer(asked: "asyncio.Future[Standing]", answer: Standing | Exception) -> None:
    if asked.done():  # who asked has gone away
        return
    if isinstance(answer, Standing):
        asked.set_result(answer)
    else:
        asked.set_exception(answer)


def _refusal(standing: Standing) -> errors.TooManyRequests:
    headers = {**standing.headers, "Retry-After": str(standing.reset)}
    return errors.TooManyRequests("too-many-requests", f"The limit {standing.limit.name} is used up.", headers=headers)


@lru_cache(1_000)
def _item(limit: Limit, quota: int) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(quota, limit.seconds, namespace=limit.name)


@lru_cache(10_000)
def _hidden(key: str) -> str:
    """Counters are named by digest, so that Redis learns no addresses."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
