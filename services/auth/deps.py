"""What auth's routes may ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, cast

from fastapi import Depends, Request

from services.auth.domain import context as contexts
from services.auth.domain import people
from services.auth.domain.context import Context
from services.auth.domain.identity import LocalIdentity
from services.auth.domain.people import Person
from services.auth.domain.sessions import Device
from services.auth.settings import Settings
from shared import errors
from shared.deps import CurrentPrincipal, ServiceDep
from shared.identity import Principal, Verifier
from shared.service import Service


@asynccontextmanager
async def lifespan(service: Service) -> AsyncIterator[None]:
    """Opens auth's own parts; auth verifies proofs itself instead of asking a sibling."""
    context = contexts.build(cast("Settings", service.settings), service.database)
    service.attach(context)
    service.verifier = Verifier(LocalIdentity(context), service.settings.public_url)
    service.start(count_instances)
    try:
        yield
    finally:
        context.passwords.close()


async def count_instances(service: Service) -> None:
    """Keeps the limiter's count of processes."""
    await service.part(Context).limiter.beat()


def get_context(service: ServiceDep) -> Context:
    """The parts of this process."""
    return service.part(Context)


ContextDep = Annotated[Context, Depends(get_context)]


def get_device(request: Request) -> Device:
    """Where a request comes from, as far as it tells."""
    agent = request.headers.get("User-Agent", "")[:300]
    return Device(agent, request.client.host if request.client else "")


DeviceDep = Annotated[Device, Depends(get_device)]


async def get_user(principal: CurrentPrincipal) -> Person:
    """A person, not an API key."""
    return people.of(principal)


CurrentUser = Annotated[Person, Depends(get_user)]


async def get_known(request: Request, service: ServiceDep) -> Principal | None:
    """The session that a request carries besides what it says, if it is a good one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    try:
        return await service.verifier.verify(token)
    except errors.Unauthorized:
        return None


Known = Annotated[Principal | None, Depends(get_known)]
