"""Logins, and the sessions they start."""

from uuid import UUID

from services.auth.deps import ContextDep, CurrentUser, DeviceDep, Known
from services.auth.domain import emails, logins, sessions
from services.auth.schemas.sessions import Login, Logout, Refresh, Session, Sessions, Switch, TokenPair
from shared import errors, webapp

router = webapp.router(tags=["auth"])


@router.post("/auth/login")
async def login(body: Login, context: ContextDep, device: DeviceDep, known: Known) -> TokenPair:
    """Exchange address and password for a pair of tokens."""
    proof = logins.Proof(body.password, body.totp, known)
    return TokenPair.of(await logins.login(context, emails.parse(body.email), proof, device))


@router.post("/auth/refresh")
async def refresh(body: Refresh, context: ContextDep) -> TokenPair:
    """Exchange a refresh token for the next pair."""
    return TokenPair.of(await sessions.refresh(context, body.refresh_token))


@router.post("/auth/logout", status_code=204)
async def logout(context: ContextDep, known: Known, body: Logout | None = None) -> None:
    """End the session of the access token, and of the refresh token if one is sent."""
    token = body.refresh_token if body else None
    if known is None and token is None:
        raise errors.Unauthorized("invalid-token", "Send an access token or a refresh token.")
    await sessions.logout(context, known, token)


@router.post("/auth/switch")
async def switch(body: Switch, context: ContextDep, user: CurrentUser, device: DeviceDep) -> TokenPair:
    """Get a pair of tokens for another organisation of yours."""
    return TokenPair.of(await sessions.switch(context, user, body.organization_id, device))


@router.get("/auth/sessions")
async def list_sessions(context: ContextDep, user: CurrentUser) -> Sessions:
    """Your open sessions, the newest first."""
    found = await sessions.list_open(context, user.user_id)
    shown = [Session.model_validate(row) for row in found]
    return Sessions(items=[item.model_copy(update={"current": item.id == user.session_id}) for item in shown])


@router.delete("/auth/sessions", status_code=204)
async def end_sessions(context: ContextDep, user: CurrentUser) -> None:
    """End all your sessions, this one among them."""
    await sessions.end(context, user)


@router.delete("/auth/sessions/{session_id}", status_code=204)
async def end_session(session_id: UUID, context: ContextDep, user: CurrentUser) -> None:
    """End one of your sessions."""
    if not await sessions.end(context, user, session_id):
        raise errors.NotFound()
