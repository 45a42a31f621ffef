"""Wake-ups between processes through Redis: hints that may be lost, never facts."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from shared import log
from shared.service import Service

EVENTS = "floyo:live:events"
SUGGESTIONS = "floyo:live:suggestions"
RUNS = "floyo:runs"
POLL_SECONDS = 5.0
PAUSE_SECONDS = 0.01
RECONNECT_SECONDS = 0.5
_OUTAGES = (RedisError, OSError, TimeoutError)

Ear = Callable[[bytes | None], None]

_log = log.get(__name__)


class Signals:
    """One publisher and one subscription a process."""

    def __init__(self) -> None:
        self._pending: dict[str, str] = {}
        self._woken = asyncio.Event()
        self._ears: dict[str, list[Ear]] = {}
        self._subscription: Any = None

    def announce(self, channel: str, message: str) -> None:
        """Publishes soon; of several messages to a channel only the last leaves."""
        self._pending[channel] = message
        self._woken.set()

    def hear(self, channel: str, ear: Ear) -> None:
        """Calls `ear` with each message, and with None after every (re)connection, when messages may have passed."""
        self._ears.setdefault(channel, []).append(ear)

    async def follow(self, channel: str, ear: Ear) -> None:
        """As `hear`, for what is wanted only at times: a channel that nobody follows wakes no process."""
        if channel not in self._ears:
            self.hear(channel, ear)
            if self._subscription is not None:
                with contextlib.suppress(*_OUTAGES):  # the next subscription holds it
                    await self._subscription.subscribe(channel)
            ear(None)

    async def leave(self, channel: str) -> None:
        """Follows a channel no longer."""
        if self._ears.pop(channel, None) and self._subscription is not None:
            with contextlib.suppress(*_OUTAGES):
                await self._subscription.unsubscribe(channel)

    async def publish(self, service: Service) -> None:
        """A loop: sends what was announced; when Redis is away, readers find out by sweeping."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            pending, self._pending = self._pending, {}
            for channel, message in pending.items():
                try:
                    await service.redis.publish(channel, message)
                except _OUTAGES as error:
                    _log.info("wake-up-not-published", channel=channel, error=type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)

    async def listen(self, service: Service) -> None:
        """A loop: the process's only subscription, renewed whenever it breaks."""
        while self._ears:
            try:
                await self._follow(service)
            except _OUTAGES as error:
                _log.info("subscription-lost", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow(self, service: Service) -> None:
        async with service.redis.pubsub(ignore_subscribe_messages=True) as subscription:
            subscribed: set[str] = set()
            while missing := self._ears.keys() - subscribed:  # somebody may begin to follow meanwhile
                await subscription.subscribe(*missing)
                subscribed |= missing
            for ears in self._ears.values():
                _tell(ears, None)
            self._subscription = subscription
            try:
                while True:
                    message = await subscription.get_message(timeout=POLL_SECONDS)
                    if message is not None:
                        _tell(self._ears.get(message["channel"].decode(), []), message["data"])
            finally:
                self._subscription = None


def _tell(ears: list[Ear], message: bytes | None) -> None:
    for ear in ears:
        ear(message)
