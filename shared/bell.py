"""A bell at workers' doors: one of them hears it at once; rings that nobody has heard yet are one.

A bell that nobody hears is no loss: whoever waits for it looks by itself as well.
"""

from typing import Any

from redis.asyncio import Redis

KEEP_MILLISECONDS = 1_000


def key(service: str, name: str) -> str:
    """The key of one of a service's bells."""
    return f"floyo:{service}:{name}"


async def ring(redis: Redis, bell: str) -> None:
    """Wake one worker; what Redis raises when it is away rises."""
    async with redis.pipeline(transaction=False) as together:
        together.lpush(bell, b"1")
        together.ltrim(bell, 0, 0)
        together.pexpire(bell, KEEP_MILLISECONDS)
        await together.execute()


async def heard(redis: Redis, bell: str, seconds: float) -> bool:
    """Wait a moment for the bell; whoever hears it takes the ring along, so that the next one is a new one."""
    listening: Any = redis  # whose stubs know of no part of a second
    return await listening.blpop([bell], timeout=seconds) is not None
