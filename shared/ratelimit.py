"""Limits counted in Redis for all processes together; without Redis each process counts its share in memory."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from functools import cache
from typing import Any

from redis.exceptions import RedisError

from shared import errors, log, metrics
from shared.testing import faults
from shared.windows import EXACT_QUOTA, PREFIX, Common, Counted, Group, Limit, Own, Standing

__all__ = ["EXACT_QUOTA", "Group", "Limit", "Limiter", "Standing"]

INSTANCES = f"{PREFIX}:instances"
WAIT_SECONDS = 0.1
WAITS = 3
# Who comes while others are counted has company: so long more may join, for a command costs half of a request.
GATHER_SECONDS = 0.001
BEAT_SECONDS = 5.0
AWAY_SECONDS = 1.0
GONE_SECONDS = 20.0
_OUTAGES = (RedisError, OSError, TimeoutError)

Waiting = dict[Group, "list[asyncio.Future[Standing]]"]

_log = log.get(__name__)


class Limiter:
    """Windows over every process that shares one Redis.

    Hits that arrive in one turn of the loop, or while the last ones are counted, are counted by one command; exactly as
    many of them are admitted as there is room for.
    """

    def __init__(self, redis_url: str, instance: str) -> None:
        self._common = Common(redis_url)
        self._own = Own()
        self._closed = False
        self._instance = instance
        self._instances = 1
        self._waiting: Waiting = {}
        self._looking: Waiting = {}
        self._serving: asyncio.Task[None] | None = None
        self.backend = "redis"

    async def take(self, limit: Limit, key: str) -> Standing:
        """Uses one of the limit; raises TooManyRequests, and Unavailable for a strict limit without Redis."""
        return await self.ask(limit, key)

    def ask(self, limit: Limit, key: str) -> "asyncio.Future[Standing]":
        """As `take`, to be awaited beside others."""
        return self.ask_all(((limit, key),))

    def ask_all(self, group: Group) -> "asyncio.Future[Standing]":
        """Uses one of every limit, or none when one is used up; the standing is that of the tightest."""
        return self._join(self._waiting, group)

    async def check(self, limit: Limit, key: str) -> Standing:
        """As `take`, without using any."""
        return await self.look(limit, key)

    def look(self, limit: Limit, key: str) -> "asyncio.Future[Standing]":
        """As `check`, to be awaited beside others, or by nobody."""
        looking = self._join(self._looking, ((limit, key),))
        looking.add_done_callback(lambda told: told.cancelled() or told.exception())  # or asyncio would complain
        return looking

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
        """Closes the connection to Redis."""
        self._closed = True
        await self._common.close()

    async def _greet(self) -> int:
        now = time.time()
        await self._common.ask("ZADD", INSTANCES, now, self._instance)
        await self._common.ask("ZREMRANGEBYSCORE", INSTANCES, 0, now - GONE_SECONDS)
        return max(1, int(await self._common.ask("ZCARD", INSTANCES)))

    def _join(self, crowd: Waiting, group: Group) -> "asyncio.Future[Standing]":
        one: asyncio.Future[Standing] = asyncio.get_running_loop().create_future()
        crowd.setdefault(group, []).append(one)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        return one

    async def _serve(self) -> None:
        asked: Waiting = {}
        looking: Waiting = {}
        try:
            while self._waiting or self._looking:
                asked, self._waiting = self._waiting, {}
                looking, self._looking = self._looking, {}
                await self._settle(asked, looking)
                if self._waiting:
                    await asyncio.sleep(GATHER_SECONDS)
        finally:
            self._serving = None
            for crowd in (asked, looking, self._waiting, self._looking):
                for one in _each(crowd):
                    one.cancel()

    async def _settle(self, asked: Waiting, looking: Waiting) -> None:
        try:
            hits = {group: len(waiting) for group, waiting in asked.items()}
            counted = await self._decide(dict.fromkeys(looking, 0) | hits)
        except Exception as error:  # noqa: BLE001  # whatever it was, everybody who asked must hear of it
            for one in (*_each(asked), *_each(looking)):
                _answer(one, error)
            return
        for group, waiting in asked.items():
            _share(group, counted.get(group), waiting)
        for group, waiting in looking.items():
            _show(counted.get(group), waiting)

    async def _decide(self, asked: Mapping[Group, int]) -> dict[Group, Counted]:
        """Counts in Redis; while it is away, in memory, without asking it again before it answers a heartbeat.

        Groups with a strict limit are left out then.
        """
        if faults.active("limits-in-memory"):
            return {group: await self._own.count(group, wanted, 1) for group, wanted in asked.items()}
        counted: dict[Group, Counted] = {}
        common = {group: wanted for group, wanted in asked.items() if self.backend == "redis" or _is_strict(group)}
        if common:
            try:
                counted = await _patiently(self._common.count(common))
                if self.backend != "redis":
                    self._use("redis")
            except _OUTAGES as error:
                self._use("memory", error)
        for group in asked.keys() - counted.keys():
            if not _is_strict(group):
                counted[group] = await self._own.count(group, asked[group], self._instances)
        return counted

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


def _each(crowd: Waiting) -> "Iterator[asyncio.Future[Standing]]":
    return (one for waiting in crowd.values() for one in waiting)


def _answer(asked: "asyncio.Future[Standing]", answer: Standing | Exception) -> None:
    if asked.done():  # who asked has gone away
        return
    if isinstance(answer, Standing):
        asked.set_result(answer)
    else:
        asked.set_exception(answer)


def _share(group: Group, counted: Counted | None, waiting: "list[asyncio.Future[Standing]]") -> None:
    """Tells those who asked, in the order of their asking: who is admitted, who is refused."""
    if counted is None:
        for one in waiting:
            _answer(one, _uncounted())
        return
    admitted, standing = counted
    for limit, _ in group:
        _decisions(limit.name, "admitted").inc(admitted)
        if admitted < len(waiting):
            _decisions(limit.name, "refused").inc(len(waiting) - admitted)
    for place, one in enumerate(waiting):
        _answer(one, standing if place < admitted else _refusal(standing))


def _show(counted: Counted | None, looking: "list[asyncio.Future[Standing]]") -> None:
    """Tells those who only looked whether they would be admitted."""
    for one in looking:
        if counted is None:
            _answer(one, _uncounted())
        else:
            _answer(one, counted[1] if counted[1].remaining else _refusal(counted[1]))


@cache
def _decisions(limit: str, outcome: str) -> Any:
    return metrics.LIMITED.labels(limit, outcome)


def _is_strict(group: Group) -> bool:
    return any(limit.strict for limit, _ in group)


def _uncounted() -> errors.Unavailable:
    return errors.Unavailable("limiter-unavailable", "Attempts cannot be counted now.")


def _refusal(standing: Standing) -> errors.TooManyRequests:
    headers = {**standing.headers, "Retry-After": str(standing.reset)}
    return errors.TooManyRequests("too-many-requests", f"The limit {standing.limit.name} is used up.", headers=headers)
