"""The bell at the workers' door: one of them hears it at once, and claims whatever is due.

arq looks for wake-ups fifty times a second and asks Redis some fifteen things for each; where somebody waits for a run
that is too slow. A bell that nobody hears is no loss: what is due is swept up within a second.
"""

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared import log

KEY = "floyo:workflows:bell"
KEEP_MILLISECONDS = 1_000
LISTEN_SECONDS = 0.5

_log = log.get(__name__)


async def ring(redis: Redis) -> bool:
    """Wake one worker; rings that nobody has heard yet become one. False when Redis is away."""
    try:
        async with redis.pipeline(transaction=False) as together:
            together.lpush(KEY, b"1")
            together.ltrim(KEY, 0, 0)
            together.pexpire(KEY, KEEP_MILLISECONDS)
            await together.execute()
    except (RedisError, OSError, TimeoutError) as error:
        _log.warning("bell-not-rung", error=type(error).__name__)
        return False
    return True


async def heard(redis: Redis) -> bool:
    """Wait a moment for the bell; whoever hears it takes the ring along, so that the next one is a new one."""
    listening: Any = redis  # whose stubs know of no part of a second
    return await listening.blpop([KEY], timeout=LISTEN_SECONDS) is not None
