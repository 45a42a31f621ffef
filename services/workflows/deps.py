"""What this service's routes may ask for beyond `shared.deps`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Header

from services.workflows.domain import bell
from services.workflows.domain.intake import Intake
from services.workflows.domain.results import Results
from services.workflows.domain.waiters import Waiters
from services.workflows.domain.workflows import Author
from shared.deps import ServiceDep, allow
from shared.identity import Principal
from shared.service import Service

Reader = Annotated[Principal, allow("workflows:read")]
Writer = Annotated[Principal, allow("workflows:write")]
RunReader = Annotated[Principal, allow("runs:read")]
Runner = Annotated[Principal, allow("runs:write")]
ApprovalReader = Annotated[Principal, allow("approvals:read")]
Approver = Annotated[Principal, allow("approvals:write")]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=200)]


def author(principal: Principal) -> Author:
    """The caller as the domain knows authors."""
    return Author(principal.organization_id, principal.subject)


class Waker:
    """Wakes workers beside the request, so that a queue which is slow or away delays nobody."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._wanted = False
        self._waking: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Send a wake-up that begins after this moment."""
        self._wanted = True
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())

    async def _wake(self) -> None:
        while self._wanted:
            self._wanted = False
            await bell.ring(self._service.redis)


def wake_workers(service: Service) -> None:
    """Tell a worker that something is due; call it after the commit."""
    service.part(Waker).wake()


@asynccontextmanager
async def open_waiters(service: Service) -> AsyncIterator[None]:
    """A lifespan that attaches what stores starts, the requests that wait, what wakes them, and what wakes workers."""
    waiters = Waiters()
    service.attach(waiters)
    service.attach(Waker(service))
    intake, results = Intake(service.database), Results(service.database)
    service.attach(intake)
    service.attach(results)
    service.start(intake.take_starts)
    service.start(results.answer_reads)
    service.start(waiters.listen)
    service.start(waiters.look)
    yield


async def get_waiters(service: ServiceDep) -> Waiters:
    """The waiting requests of this process."""
    return service.part(Waiters)


WaitersDep = Annotated[Waiters, Depends(get_waiters)]
