"""Users made by the operator, who holds auth's own key."""

from uuid import UUID

from pydantic import BaseModel

from services.auth.deps import ContextDep
from services.auth.domain import accounts, emails
from services.auth.schemas.fields import Body, Email, Name, NewPassword
from shared import webapp
from shared.deps import called_by

router = webapp.internal_router()


class NewUser(Body):
    """A verified user."""

    email: Email
    password: NewPassword
    name: Name | None = None
    admin: bool = False


class CreatedUser(BaseModel):
    """The user with a key of the personal organisation, shown this once."""

    user_id: UUID
    organization_id: UUID
    api_key: str


@router.post("/users", status_code=201, dependencies=[called_by("auth")])
async def create_user(body: NewUser, context: ContextDep) -> CreatedUser:
    """Make a verified user; 409 for a known address."""
    wanted = accounts.Registration(
        emails.parse(body.email), body.password, body.name, platform_admin=body.admin, verified=True
    )
    user_id, organization_id, key = await accounts.create(context, wanted)
    return CreatedUser(user_id=user_id, organization_id=organization_id, api_key=key)
