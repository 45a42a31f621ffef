"""Windows of time in which hits are counted: in Redis for all processes, or in the memory of one."""

import asyncio
import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import hiredis
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

PREFIX = "floyo:limits"
SCRIPT = (Path(__file__).parent / "windows.lua").read_text()
DIGEST = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
EXACT_QUOTA = 1_000


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True)
class Standing:
    """What is left of a limit, and in how many seconds some of it comes back."""

    limit: Limit
    remaining: int
    reset: int

    @cached_property
    def headers(self) -> dict[str, str]:
        """`RateLimit` and `RateLimit-Policy`."""
        name = self.limit.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.limit.quota};w={self.limit.seconds}',
            "RateLimit": f'"{name}";r={self.remaining};t={self.reset}',
        }

    @cached_property
    def lines(self) -> tuple[tuple[bytes, bytes], ...]:
        """The same as ASGI has headers; those who asked together share it."""
        return tuple((name.lower().encode(), value.encode()) for name, value in self.headers.items())


Group = tuple[tuple[Limit, str], ...]
Counted = tuple[int, Standing]


class Common:
    """Windows in Redis, on one connection that is kept: commands follow one another."""

    def __init__(self, url: str) -> None:
        self._connection: Any = ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
        self._turn = asyncio.Lock()

    async def count(self, asked: Mapping[Group, int]) -> dict[Group, Counted]:
        """For each group how many of the hits that it wants are admitted, and its tightest limit; one command."""
        keys: list[str] = []
        figures: list[int] = []
        for group, wanted in asked.items():
            figures += (wanted, len(group))
            for limit, key in group:
                keys.append(_window(limit.name, key))
                figures += (limit.quota, limit.seconds, int(limit.exact))
        try:
            answer = await self.ask("EVALSHA", DIGEST, len(keys), *keys, *figures)
        except NoScriptError:
            answer = await self.ask("EVAL", SCRIPT, len(keys), *keys, *figures)
        told = iter(answer)
        return {group: (next(told), _tightest(group, told)) for group in asked}

    async def ask(self, *command: str | int | float) -> Any:
        """One answer; what was sent on a connection that Redis had closed meanwhile is sent again, once."""
        async with self._turn:
            was_open = self._connection.is_connected
            try:
                return await self._exchange(command)
            except RedisConnectionError:
                if not was_open:
                    raise
                return await self._exchange(command)

    async def _exchange(self, command: tuple[str | int | float, ...]) -> Any:
        await self._connection.send_packed_command(hiredis.pack_command(command))  # type: ignore[arg-type]
        return await self._connection.read_response(disable_decoding=True)

    async def close(self) -> None:
        """Closes the connection."""
        await self._connection.disconnect()


class Own:
    """Windows in the memory of this process."""

    def __init__(self) -> None:
        storage = MemoryStorage()
        self._exact = MovingWindowRateLimiter(storage)
        self._large = SlidingWindowCounterRateLimiter(storage)

    async def count(self, group: Group, wanted: int, share: int) -> Counted:
        """As in Redis, for one of `share` processes."""
        places = [(limit, _item(limit, math.ceil(limit.quota / share)), _hidden(key)) for limit, key in group]
        room = [(await self._windows(limit).get_window_stats(item, key)).remaining for limit, item, key in places]
        admitted = min(wanted, *room)
        standings = []
        for limit, item, key in places:
            if admitted:
                await self._windows(limit).hit(item, key, cost=admitted)
            window = await self._windows(limit).get_window_stats(item, key)
            standings.append(Standing(limit, window.remaining, max(1, math.ceil(window.reset_time - time.time()))))
        return admitted, min(standings, key=_rest)

    def _windows(self, limit: Limit) -> Any:
        return self._exact if limit.exact else self._large


def _tightest(group: Group, told: Iterator[int]) -> Standing:
    """The limit with the least left of all that Redis told of, in its order: what remains, and milliseconds."""
    standings = [Standing(limit, next(told), max(1, math.ceil(next(told) / 1_000))) for limit, _ in group]
    return min(standings, key=_rest)


def _rest(standing: Standing) -> float:
    return standing.remaining / standing.limit.quota


@lru_cache(1_000)
def _item(limit: Limit, quota: int) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(quota, limit.seconds, namespace=limit.name)


@lru_cache(10_000)
def _window(name: str, key: str) -> str:
    return f"{PREFIX}:{name}:{_hidden(key)}"


@lru_cache(10_000)
def _hidden(key: str) -> str:
    """Counters are named by digest, so that Redis learns no addresses."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
