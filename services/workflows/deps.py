"""What this service's routes may ask for beyond `shared.deps`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import keys
from services.workflows.domain.intake import Intake
from services.workflows.domain.results import Results
from services.workflows.domain.waiters import Waiters
from services.workflows.domain.workflows import Author
from services.workflows.schemas.workflows import WorkflowOut
from shared import bell, log, turns
from shared.deps import CurrentPrincipal, IdempotencyKey, ServiceDep, allow
from shared.idempotency import Answer
from shared.identity import Principal
from shared.service import Service
from shared.webapp import PREFIX

_log = log.get(__name__)

Reader = Annotated[Principal, allow("workflows:read")]
Writer = Annotated[Principal, allow("workflows:write")]
RunReader = Annotated[Principal, allow("runs:read")]
Runner = Annotated[Principal, allow("runs:write")]
ApprovalReader = Annotated[Principal, allow("approvals:read")]
Approver = Annotated[Principal, allow("approvals:write")]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=200)]


@dataclass(frozen=True, slots=True)
class Once:
    """What a request changes; with an Idempotency-Key it changes it once."""

    service: Service
    principal: Principal
    route: str
    key: str | None

    async def __call__(self, produce: Callable[[AsyncSession], Awaitable[tuple[int, Any]]], told: Any = None) -> Answer:
        """Produce status and body in the transaction of the effect; `told` is what the key stands for, as JSON."""
        organization_id = self.principal.organization_id
        turn = turns.in_turn(organization_id, self.route, self.key)
        async with turn, self.service.database.session(organization_id) as session:
            return await keys.once(
                session,
                organization_id=organization_id,
                route=self.route,
                key=self.key,
                request=told,
                produce=lambda: produce(session),
            )


async def get_once(
    request: Request, service: ServiceDep, principal: CurrentPrincipal, key: IdempotencyKey = None
) -> Once:
    """For routes that change something."""
    return Once(service, principal, f"{request.method} {request.url.path.removeprefix(PREFIX)}", key)


OnceDep = Annotated[Once, Depends(get_once)]


def tagged(response: Response, answer: Answer) -> WorkflowOut:
    """What `schemas.workflows.keep` kept, with its entity tag."""
    response.headers["ETag"] = answer.body["etag"]
    return WorkflowOut.model_validate(answer.body["workflow"])


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
            try:
                await bell.ring(self._service.redis, bell.key(self._service.name, "bell"))
            except (RedisError, OSError, TimeoutError) as error:
                _log.warning("bell-not-rung", error=type(error).__name__)


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
