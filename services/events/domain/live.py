"""The live sockets of a process: who is connected, what they follow, whether they may still."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import orjson

from services.events.domain import events, feeds, positions, signals, suggestions
from services.events.domain.feeds import Feed, control
from services.events.domain.signals import Signals
from services.events.domain.sockets import EXPIRED, Client
from services.events.storage import log as stored
from services.events.storage import suggestions as stored_suggestions
from shared import errors, log
from shared.service import Service

EVENTS = "events"
SUGGESTIONS = "suggestions"
RUNS = "runs"
NEEDS = {EVENTS: "events:read", SUGGESTIONS: "patterns:read", RUNS: "runs:read"}
WATCH_SECONDS = 1.0
WATCHED_AT_ONCE = 100
FLUSH_SECONDS = 0.02

_log = log.get(__name__)


class Hub:
    """Every socket of the process; one subscription to Redis wakes them all."""

    def __init__(self, capacity: int, capacity_each: int) -> None:
        self._capacity = capacity
        self._capacity_each = capacity_each
        self._clients: dict[UUID, set[Client]] = {}
        self._count = 0
        self.feeds = {
            EVENTS: Feed(EVENTS, stored.between, events.render_raw),
            SUGGESTIONS: Feed(SUGGESTIONS, stored_suggestions.between, suggestions.render),
        }
        self._run_readers: dict[UUID, set[Client]] = {}
        self._runs: dict[UUID, dict[str, dict[str, Any]]] = {}
        self._flushing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, service: Service) -> None:
        """Starts following; what it needs to hear, it hears through the process's signals."""
        hub = service.part(Signals)
        hub.hear(signals.SUGGESTIONS, lambda _: self.feeds[SUGGESTIONS].waker.hear(None))
        hub.hear(signals.RUNS, self._hear_runs)
        service.start(self.follow_events)
        service.start(self.follow_suggestions)
        service.start(self.flush_runs)
        service.start(self.watch)

    async def follow_events(self, service: Service) -> None:
        """A loop."""
        await self.feeds[EVENTS].run(service)

    async def follow_suggestions(self, service: Service) -> None:
        """A loop."""
        await self.feeds[SUGGESTIONS].run(service)

    def check_room(self, organization_id: UUID) -> None:
        """Raises TooManyRequests when the process or the organisation has enough sockets."""
        if self._count >= self._capacity or self.connected(organization_id) >= self._capacity_each:
            raise errors.TooManyRequests(
                "too-many-sockets", "There are too many live connections; try again later.",
                headers={"Retry-After": "5"},
            )  # fmt: skip

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something for a reader beside everything else."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def connected(self, organization_id: UUID) -> int:
        """How many sockets an organisation has."""
        return len(self._clients.get(organization_id, ()))

    def add(self, client: Client) -> None:
        """Takes a socket in."""
        self._clients.setdefault(client.organization_id, set()).add(client)
        self._count += 1

    def remove(self, client: Client) -> None:
        """Forgets a socket."""
        self._count -= 1
        for feed in self.feeds.values():
            feed.leave(client)
        for readers in (self._clients, self._run_readers):
            of_organization = readers.get(client.organization_id, set())
            of_organization.discard(client)
            if not of_organization:
                readers.pop(client.organization_id, None)

    async def subscribe(self, service: Service, client: Client, channel: str, after: str | None) -> None:
        """Follows a channel from a position; raises Forbidden for what the caller may not hear."""
        if not client.principal.may(NEEDS.get(channel, "")):
            raise errors.Forbidden("subscription-refused", "There is no such channel for you.")
        if channel in client.cursors:
            return
        client.cursors[channel] = positions.START
        if channel == EVENTS:
            await service.part(Signals).follow(signals.EVENTS, self.feeds[EVENTS].waker.hear)
        if channel != RUNS:
            await self.feeds[channel].follow(service, client, _position(after))
            return
        client.offer(control("subscribed", RUNS, epoch=None, position=None))
        if after is not None:
            client.offer(control("reset", RUNS))
        self._run_readers.setdefault(client.organization_id, set()).add(client)

    async def watch(self, service: Service) -> None:
        """A loop: ends sockets whose token has expired or been revoked, and without any hears of events no more."""
        while True:
            clients = [client for clients in self._clients.values() for client in clients]
            for place, client in enumerate(clients):
                if place % WATCHED_AT_ONCE == 0:
                    await asyncio.sleep(0)
                try:
                    client.principal = await service.verifier.verify(client.token)
                except errors.Unauthorized:
                    client.end(EXPIRED, "the token has expired or was revoked")
                except errors.Unavailable:
                    continue  # known tokens stay good while auth is away
            if not self._count:
                await service.part(Signals).leave(signals.EVENTS)
            await asyncio.sleep(WATCH_SECONDS)

    def _hear_runs(self, message: bytes | None) -> None:
        if message is None:
            for client in [client for readers in self._run_readers.values() for client in readers]:
                client.offer(control("reset", RUNS))
            return
        if not self._run_readers:
            return
        for run in _runs(message):
            organization_id = UUID(run["organization_id"])
            if organization_id in self._run_readers:
                self._runs.setdefault(organization_id, {})[run["id"]] = run
                self._flushing.set()

    async def flush_runs(self, _service: Service) -> None:
        """A loop: sends the latest state of each run that changed, once in a while."""
        while True:
            await self._flushing.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            self._flushing.clear()
            changed, self._runs = self._runs, {}
            for organization_id, runs in changed.items():
                frames = b"".join(
                    feeds.encode({"type": "message", "channel": RUNS, "position": None, "epoch": None, "data": run})
                    for run in runs.values()
                )
                for client in tuple(self._run_readers.get(organization_id, ())):
                    client.offer(frames)


def _position(after: str | None) -> positions.Position | None:
    """A position that cannot be read is one that cannot be filled from."""
    if after is None:
        return None
    try:
        return positions.parse(after)
    except errors.Invalid:
        return positions.START


def _runs(message: bytes) -> list[dict[str, Any]]:
    try:
        value = orjson.loads(message)
        return [{**run, "id": str(run["id"]), "organization_id": str(UUID(run["organization_id"]))} for run in value]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        _log.info("run-hint-unreadable")
        return []
