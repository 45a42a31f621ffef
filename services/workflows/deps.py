"""What this service's routes may ask for beyond `shared.deps`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Header

from services.workflows.domain.waiters import Waiters
from services.workflows.domain.workflows import Author
from shared import jobs
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


async def wake_workers(service: Service) -> None:
    """Tell a worker that something is due; call it after the commit."""
    await jobs.wake(service.redis, service.name, "advance_due")


@asynccontextmanager
async def open_waiters(service: Service) -> AsyncIterator[None]:
    """A lifespan that attaches the requests that wait, and what wakes them."""
    waiters = Waiters()
    service.attach(waiters)
    service.start(waiters.listen)
    service.start(waiters.look)
    yield


def get_waiters(service: ServiceDep) -> Waiters:
    """The waiting requests of this process."""
    return service.part(Waiters)


WaitersDep = Annotated[Waiters, Depends(get_waiters)]
