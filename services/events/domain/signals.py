"""Wake-ups between processes through Redis: hints that may be lost, never facts."""

import asyncio
from collections.abc import Callable

from redis.exceptions import RedisError

from shared import log
from shared.service import Service

EVENTS = "floyo:live:events"
SUGGESTIONS = "floyo:live:suggestions"
RUNS = "floyo:runs"
POLL_SECONDS = 0.5
PAUSE_SECONDS = 0.004
RECONNECT_SECONDS = 0.5

Ear = Callable[[bytes | None], None]

_log = log.get(__name__)


class Signals:
    """One publisher and one subscription a process."""

    def __init__(self) -> None:
        self._pending: dict[str, str] = {}
        self._woken = asyncio.Event()
        self._ears: dict[str, list[Ear]] = {}

    def announce(self, channel: str, message: str) -> None:
        """Publishes soon; of several messages to a channel only the last leaves."""
        self._pending[channel] = message
        self._woken.set()

    def hear(self, channel: str, ear: Ear) -> None:
        """Calls `ear` with each message, and with None after every (re)connection, when messages may have passed."""
        self._ears.setdefault(channel, []).append(ear)

    async def publish(self, service: Service) -> None:
        """A loop: sends what was announced; when Redis is away, readers find out by sweeping."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            pending, self._pending = self._pending, {}
            for channel, message in pending.items():
                try:
                    await service.redis.publish(channel, message)
                except (RedisError, OSError, TimeoutError) as error:
                    _log.info("wake-up-not-published", channel=channel, error=type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)

    async def listen(self, service: Service) -> None:
        """A loop: the process's only subscription, renewed whenever it breaks."""
        while self._ears:
            try:
                await self._follow(service)
            except (RedisError, OSError, TimeoutError) as error:
                _log.info("subscription-lost", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow(self, service: Service) -> None:
        async with service.redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(*self._ears)
            for ears in self._ears.values():
                _tell(ears, None)
            while True:
                message = await subscription.get_message(timeout=POLL_SECONDS)
                if message is not None:
                    _tell(self._ears[message["channel"].decode()], message["data"])


def _tell(ears: list[Ear], message: bytes | None) -> None:
    for ear in ears:
        ear(message)
