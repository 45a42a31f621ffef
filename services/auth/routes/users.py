"""The caller's own account."""

from services.auth.deps import ContextDep, CurrentUser
from services.auth.domain import users
from services.auth.domain.context import Context
from services.auth.domain.people import Person
from services.auth.schemas.accounts import ChangeMe, Me
from shared import webapp

router = webapp.router(tags=["users"])


@router.get("/users/me")
async def get_me(context: ContextDep, user: CurrentUser) -> Me:
    """Your account."""
    return await _shown(context, user)


@router.patch("/users/me")
async def change_me(body: ChangeMe, context: ContextDep, user: CurrentUser) -> Me:
    """Change your name; a new address counts once its link was opened."""
    if body.name is not None:
        await users.rename(context, user, body.name)
    return await _shown(context, user)


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
