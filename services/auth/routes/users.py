"""The caller's own account, and what platform administrators do with others."""

from uuid import UUID

from fastapi.responses import StreamingResponse

from services.auth.deps import ContextDep, CurrentUser, PlatformAdmin
from services.auth.domain import archive, emails, users
from services.auth.domain.context import Context
from services.auth.domain.people import Person
from services.auth.schemas.accounts import ChangeMe, ChangePassword, Export, Me
from services.auth.schemas.organizations import Status
from shared import errors, webapp
from shared.deps import ServiceDep

router = webapp.router(tags=["users"])


@router.get("/users/me")
async def get_me(context: ContextDep, user: CurrentUser) -> Me:
    """Your account."""
    return await _shown(context, user)


@router.patch("/users/me")
async def change_me(body: ChangeMe, context: ContextDep, user: CurrentUser) -> Me:
    """Change your name; a new address needs your password, and counts once its link was opened."""
    if body.email is not None:
        if body.current_password is None:
            raise errors.invalid_field("/current_password", "A change of address needs the password.")
        await users.ask_change_of_address(context, user, emails.parse(body.email), body.current_password)
    if body.name is not None:
        await users.rename(context, user, body.name)
    return await _shown(context, user)


@router.delete("/users/me", status_code=204)
async def delete_me(context: ContextDep, user: CurrentUser) -> None:
    """Erase your account, and in every service what is yours alone."""
    await users.delete(context, user)


@router.post("/users/me/password", status_code=204)
async def change_password(body: ChangePassword, context: ContextDep, user: CurrentUser) -> None:
    """Change your password; every other session ends."""
    await users.change_password(context, user, body.current_password, body.new_password)


@router.get("/users/me/export", response_model=Export)
async def export_me(context: ContextDep, service: ServiceDep, user: CurrentUser) -> StreamingResponse:
    """Everything that Floyo knows about you, in every service; 503 when one of them does not answer."""
    headers = {"Content-Disposition": 'attachment; filename="floyo.json"'}
    body = await archive.write(context, service.siblings, user)
    return StreamingResponse(body, media_type="application/json", headers=headers)


@router.put("/users/{user_id}/status", status_code=204)
async def set_user_status(user_id: UUID, body: Status, context: ContextDep, principal: PlatformAdmin) -> None:
    """Switch anybody on or off, as platform administrator."""
    await users.set_active(context, principal, user_id, active=body.active)


async def _shown(context: Context, user: Person) -> Me:
    found = await users.me(context, user)
    return Me(
        id=found.id,
        email=found.email,
        name=found.name,
        email_verified=found.verified_at is not None,
        totp_enabled=found.totp_enabled_at is not None,
        platform_admin=found.platform_admin,
        organization_id=user.organization_id,
        role=user.principal.role or "",
        created_at=found.created_at,
    )
