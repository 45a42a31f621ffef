"""What auth's routes may ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request

from services.auth.domain import context as contexts
from services.auth.domain import flags as flag_overrides
from services.auth.domain import people, post
from services.auth.domain.context import Context
from services.auth.domain.identity import LocalIdentity
from services.auth.domain.people import Person
from services.auth.domain.sessions import Device
from services.auth.settings import Settings
from shared import errors, flags
from shared.deps import CurrentPrincipal, CursorParameter, Limit, ServiceDep
from shared.identity import Principal, Verifier
from shared.service import Service


@asynccontextmanager
async def lifespan(service: Service) -> AsyncIterator[None]:
    """Opens auth's own parts; auth verifies proofs itself instead of asking a sibling."""
    context = contexts.build(cast("Settings", service.settings), service.database, service.gate.limiter)
    service.attach(context)
    service.verifier = Verifier(LocalIdentity(context), service.settings.public_url)
    flags.attach(service, lambda: flag_overrides.list_overrides(service.database))
    service.components["passwords"] = context.passwords.describe
    if context.settings.smtp_url is not None:
        service.components["letters"] = partial(post.due, service.database)
    try:
        yield
    finally:
        await context.close()


async def get_context(service: ServiceDep) -> Context:
    """The parts of this process."""
    return service.part(Context)


ContextDep = Annotated[Context, Depends(get_context)]


async def get_device(request: Request) -> Device:
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


class Place:
    """Where a page of a list begins; the list's name and filters are part of the cursor's signature."""

    def __init__(
        self, service: ServiceDep, principal: CurrentPrincipal, limit: Limit = 50, cursor: CursorParameter = None
    ) -> None:
        self._cursors = service.cursors
        self._organization_id = principal.organization_id
        self._cursor = cursor
        self.limit = limit

    def begin(self, scope: str) -> UUID | None:
        """The id of the last item that was shown; raises BadRequest for a cursor of another list."""
        if self._cursor is None:
            return None
        return UUID(self._cursors.decode(self._cursor, organization_id=self._organization_id, scope=scope)[0])

    def following(self, scope: str, last_id: UUID | None) -> str | None:
        """The cursor after the last item of this page, None when nothing follows."""
        if last_id is None:
            return None
        return self._cursors.encode([str(last_id)], organization_id=self._organization_id, scope=scope)


PlaceDep = Annotated[Place, Depends()]


async def get_platform_admin(principal: CurrentPrincipal) -> Principal:
    """An administrator of the whole platform."""
    if not principal.platform_admin:
        raise errors.Forbidden("forbidden", "This is for platform administrators.")
    return principal


PlatformAdmin = Annotated[Principal, Depends(get_platform_admin)]
