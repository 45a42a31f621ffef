"""Workers' notices of runs that changed; requests that wait for one, woken by them or by looking twice a second."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import orjson
from redis.exceptions import RedisError

from services.workflows.storage import runs
from services.workflows.storage.records import Record
from shared import errors, log
from shared.service import Service

CHANNEL = "floyo:runs"
LOOK_SECONDS = 0.5
LISTEN_SECONDS = 5.0

_log = log.get(__name__)


class Waiters:
    """The requests of one process that wait, by run."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    async def wait(self, run_id: UUID, seconds: float) -> None:
        """Return when the run has probably ended, or after so many seconds."""
        event = asyncio.Event()
        self._waiting[run_id].add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            self._waiting[run_id].discard(event)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    def wake(self, run_id: UUID) -> None:
        """Wake whoever waits for a run."""
        for event in self._waiting.get(run_id, ()):
            event.set()

    async def listen(self, service: Service) -> None:
        """Hear the workers' notices for ever; raises when Redis goes away, and is started again."""
        async with service.redis.pubsub() as channel:
            try:
                await channel.subscribe(CHANNEL)
                while True:
                    notice = await channel.get_message(ignore_subscribe_messages=True, timeout=LISTEN_SECONDS)
                    for item in orjson.loads(notice["data"]) if notice else ():
                        if item["status"] in {"succeeded", "failed", "cancelled"}:
                            self.wake(UUID(item["id"]))
            except RedisError as problem:
                raise errors.Unavailable("queue-unavailable", "Redis does not answer.") from problem

    async def look(self, service: Service) -> None:
        """Look for ever whether runs that are waited for have ended, whatever was heard."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._waiting:
                async with service.database.system() as session:
                    for run_id in await runs.ended_among(session, list(self._waiting)):
                        self.wake(run_id)


async def announce(service: Service, records: Sequence[Record]) -> None:
    """Tell whoever listens that runs have changed; nobody depends on hearing it."""
    told = [
        {"id": record.run_id, "organization_id": record.organization_id, "workflow_id": record.workflow_id,
         "status": record.status}
        for record in records
    ]  # fmt: skip
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        await service.redis.publish(CHANNEL, orjson.dumps(told, default=str))
