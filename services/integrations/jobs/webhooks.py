"""The sender of outbound webhooks: a loop of the worker, woken or sweeping."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from services.integrations.deps import Desk
from services.integrations.domain import sending
from shared.service import Service
from shared.testing import faults

CONCURRENCY: Final = 64
EACH: Final = 4
SWEEP_SECONDS: Final = 0.5
PURGE_SECONDS: Final = 3_600.0


class Sender:
    """What is under way in this process: many webhooks at once, few deliveries of one."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._desk = service.part(Desk)
        self._under_way: dict[asyncio.Task[float], Any] = {}
        self._resting: dict[Any, float] = {}

    async def run(self) -> None:
        """Claims and sends for ever; a failing attempt stays leased and comes back."""
        purged_at = float("-inf")
        try:
            while True:
                claimed = await self._claim()
                await self._rest(quickly=bool(claimed))
                if asyncio.get_running_loop().time() - purged_at > PURGE_SECONDS:
                    purged_at = asyncio.get_running_loop().time()
                    await sending.purge(self._service.database)
        finally:
            for task in self._under_way:
                task.cancel()

    async def _claim(self) -> int:
        """Starts an attempt for each delivery claimed."""
        free = CONCURRENCY - len(self._under_way)
        if free <= 0:
            return 0
        now = asyncio.get_running_loop().time()
        self._resting = {webhook: until for webhook, until in self._resting.items() if until > now}
        each, busy = EACH, list({*self._under_way.values(), *self._resting})
        if faults.active("one-delivery-queue"):
            each, busy = CONCURRENCY, []
        found = await sending.claim(self._service.database, limit=free, each=each, busy=busy)
        for delivery in found:
            self._start(delivery)
        return len(found)

    def _start(self, delivery: Mapping[str, Any]) -> None:
        work = sending.attempt(self._service.database, self._desk.ring, self._desk.outlets, delivery)
        self._under_way[asyncio.create_task(work)] = delivery["webhook_id"]

    async def _rest(self, *, quickly: bool) -> None:
        """Until an attempt ends or the sweep is due."""
        if not self._under_way:
            await asyncio.sleep(0 if quickly else SWEEP_SECONDS)
            return
        done, _ = await asyncio.wait(self._under_way, timeout=SWEEP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            webhook = self._under_way.pop(task)
            # After a database fault the lease brings the delivery back.
            if not task.cancelled() and task.exception() is None and task.result():
                # Its backlog is left alone with it, or each of its deliveries would be taken up only to be put back.
                self._resting[webhook] = asyncio.get_running_loop().time() + task.result()


async def send_webhooks(service: Service) -> None:
    """A loop of the worker."""
    await Sender(service).run()
