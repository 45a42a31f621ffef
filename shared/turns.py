"""Requests with one Idempotency-Key take turns before they take a connection, so that they do not drain the pool."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from shared import errors

WAIT_SECONDS = 10.0


class Turns:
    """One at a time for each key, in this process; across processes PostgreSQL's row lock does the same."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, set[object]]] = {}

    @asynccontextmanager
    async def take(self, key: Hashable) -> AsyncIterator[None]:
        """Waits for its turn; raises Conflict `request-in-progress` after ten seconds."""
        lock, waiting = self._locks.setdefault(key, (asyncio.Lock(), set()))
        me = object()
        waiting.add(me)
        try:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await lock.acquire()
            except TimeoutError:
                raise errors.Conflict("request-in-progress", "A request with this key is being worked on.") from None
            try:
                yield
            finally:
                lock.release()
        finally:
            waiting.discard(me)
            if not waiting:
                self._locks.pop(key, None)


_turns = Turns()


@asynccontextmanager
async def in_turn(organization_id: object, route: str, key: str | None) -> AsyncIterator[None]:
    """A turn of this process for requests that carry a key; the others need none."""
    if key is None:
        yield
        return
    async with _turns.take((organization_id, route, key)):
        yield
