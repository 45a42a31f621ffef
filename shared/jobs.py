"""arq as a wake-up call: jobs carry nothing but a name, PostgreSQL says what is due."""

import time
from typing import Any
from urllib.parse import urlsplit

import msgpack
from arq import constants
from arq.connections import ArqRedis, RedisSettings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from shared import backlog, bell, log
from shared.testing.faults import failpoint

WAKE_MILLISECONDS = 1_000
KEEP_MILLISECONDS = 60_000
RETRIES = 30
RING = "queue-bell"
REPORT_SECONDS = 5.0
GONE_SECONDS = 20.0

_log = log.get(__name__)


def queue_name(service: str) -> str:
    """Each service's own queue: arq's default one is global, and the wrong worker would take the job."""
    return f"floyo:{service}:queue"


def flag(service: str) -> str:
    """The key that says a wake-up is already under way."""
    return f"floyo:{service}:wake"


async def wake(redis: Redis, service: str, job: str) -> bool:
    """Enqueues one wake-up unless one is pending; False when Redis is away, since sweeping will do."""
    try:
        if await redis.set(flag(service), b"1", nx=True, px=WAKE_MILLISECONDS):
            failpoint("enqueue-before")
            producer = ArqRedis(
                redis.connection_pool,
                job_serializer=serialize,
                job_deserializer=deserialize,
                default_queue_name=queue_name(service),
                expires_extra_ms=KEEP_MILLISECONDS,
            )
            await producer.enqueue_job(job)
            failpoint("enqueue-after")
            await bell.ring(redis, bell.key(service, RING))
    except (RedisError, OSError, TimeoutError) as error:
        _log.warning("wake-up-not-sent", queue=queue_name(service), error=type(error).__name__)
        return False
    return True


async def awake(redis: Redis, service: str) -> None:
    """Lowers the flag, before claiming, so that work which comes after the claim wakes somebody again."""
    try:
        await redis.delete(flag(service))
    except (RedisError, OSError, TimeoutError):
        _log.warning("wake-flag-not-lowered", service=service)


async def report(redis: Redis, service: str, instance: str) -> None:
    """Tells the other processes that a worker takes jobs."""
    now = time.time()
    await redis.zadd(_workers(service), {instance: now})
    await redis.zremrangebyscore(_workers(service), 0, now - GONE_SECONDS)


async def workers(redis: Redis, service: str) -> dict[str, Any]:
    """{status, seen}: the workers that reported lately; `absent` when nobody works for the service."""
    found = await redis.zrangebyscore(_workers(service), time.time() - GONE_SECONDS, "+inf")
    return {"status": "ok" if found else "absent", "seen": [name.decode() for name in found]}


async def depth(redis: Redis, service: str) -> dict[str, Any]:
    """{status, due, oldest_seconds} of the wake-ups that nobody has taken.

    arq's set holds deferred jobs as well, whose time is still to come, and those that somebody is working on.
    """
    now = time.time() * 1_000
    due = await redis.zrangebyscore(queue_name(service), 0, now, start=0, num=backlog.MOST, withscores=True)
    taken = await redis.mget([constants.in_progress_key_prefix + name.decode() for name, _ in due]) if due else []
    waiting = [score for (_, score), worker in zip(due, taken, strict=True) if worker is None]
    return backlog.describe(len(waiting), (now - waiting[0]) / 1_000 if waiting else None)


def _workers(service: str) -> str:
    return f"floyo:{service}:workers"


def serialize(job: dict[str, Any]) -> bytes:
    """Plain data alone; arq's default is pickle, which runs code for whoever can write to Redis."""
    packed: bytes = msgpack.packb(job, default=repr)  # arq hands over the error of a job it cannot read
    return packed


def deserialize(raw: bytes) -> dict[str, Any]:
    """Raises ValueError for anything but plain data."""
    job: dict[str, Any] = msgpack.unpackb(raw, raw=False, strict_map_key=True)
    return job


def redis_settings(url: str) -> RedisSettings:
    """Connection settings with which a worker survives an outage of Redis."""
    parts = urlsplit(url)
    return RedisSettings(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        username=parts.username,
        password=parts.password,
        database=int(parts.path.lstrip("/") or 0),
        ssl=parts.scheme == "rediss",
        retry=Retry(ExponentialBackoff(cap=2, base=0.1), RETRIES),
        retry_on_error=[RedisConnectionError, RedisTimeout],
        retry_on_timeout=True,
    )
