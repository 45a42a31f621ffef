"""What routes may ask for: the process, the caller, and a session that commits before the answer."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from shared import errors
from shared.identity import Principal
from shared.pagination import MAX_LIMIT
from shared.service import Service
from shared.servicetokens import Caller

_bearer = HTTPBearer(auto_error=False, description="An access token, or an API key that starts with `floyo_`.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


async def get_service(request: Request) -> Service:
    """The process that answers this request; dependencies are `async`, or each would cost a trip through a thread."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


async def identify(service: Service, scope: Any, token: str) -> Principal:
    """Whose token this is, counted for the caller; a bad one is counted for its address, so that guessing ends."""
    try:
        if not token:
            raise errors.Unauthorized("invalid-token", "Send `Authorization: Bearer` with an access token or API key.")
        principal = await service.verifier.verify(token)
    except errors.Unauthorized:
        await service.gate.admit(scope, kind="auth")
        raise
    await service.gate.admit(scope, principal)
    return principal


async def get_principal(request: Request, service: ServiceDep, credentials: _Credentials) -> Principal:
    """The verified caller, within the rate limits; 401 without one."""
    principal = await identify(service, request.scope, credentials.credentials if credentials else "")
    request.state.principal = principal
    return principal


CurrentPrincipal = Annotated[Principal, Depends(get_principal)]


async def get_session(service: ServiceDep, principal: CurrentPrincipal) -> AsyncIterator[AsyncSession]:
    """One transaction in the caller's organisation, committed before the answer leaves."""
    async with service.database.session(principal.organization_id) as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session, scope="function")]


class Allow:
    """A dependency that admits callers who hold one permission; 403 for the others."""

    def __init__(self, permission: str) -> None:
        self.permission = permission

    async def __call__(self, principal: CurrentPrincipal) -> Principal:
        """The caller, if admitted."""
        if not principal.may(self.permission):
            raise errors.Forbidden("forbidden", f"This needs the permission {self.permission}.")
        return principal


def allow(permission: str) -> Any:
    """For `Annotated[Principal, allow("events:write")]`."""
    return Depends(Allow(permission))


class CalledBy:
    """A dependency of internal routes: a fresh service token of an allowed sibling for this very call."""

    def __init__(self, *services: str) -> None:
        self.services = frozenset(services)

    async def __call__(self, request: Request, service: ServiceDep, credentials: _Credentials) -> Caller:
        """The calling sibling; 401 without a valid token, 403 when it is not on the list."""
        return self.admit(service, request.scope, credentials.credentials if credentials else "")

    def admit(self, service: Service, scope: Any, token: str) -> Caller:
        """The same for a request that FastAPI never sees."""
        caller = service.tokens.verify(token, scope["method"], scope["path"])
        if caller.service not in self.services:
            raise errors.Forbidden("caller-not-allowed", f"{caller.service} may not call this.")
        return caller


def called_by(*services: str) -> Any:
    """For `Annotated[Caller, called_by("workflows")]`."""
    return Depends(CalledBy(*services))


async def get_system_session(service: ServiceDep) -> AsyncIterator[AsyncSession]:
    """One transaction over every organisation, committed before the answer; for internal routes alone."""
    async with service.database.system() as session:
        yield session


SystemSession = Annotated[AsyncSession, Depends(get_system_session, scope="function")]
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", description="1 to 255 characters")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
CursorParameter = Annotated[str | None, Query(alias="cursor", max_length=2_000)]
