"""Members of the caller's organisation."""

from typing import Annotated
from uuid import UUID

from services.auth.deps import CurrentUser, PlaceDep
from services.auth.domain import members
from services.auth.schemas.organizations import ChangeMember, Member
from shared import errors, webapp
from shared.deps import Session, allow
from shared.identity import Principal
from shared.pagination import Page, cut

router = webapp.router(tags=["organizations"])
Reader = Annotated[Principal, allow("members:read")]
Writer = Annotated[Principal, allow("members:write")]
LIST = "members"


@router.get("/organizations/{organization_id}/members")
async def list_members(organization_id: UUID, principal: Reader, session: Session, place: PlaceDep) -> Page[Member]:
    """Who belongs to the organisation."""
    rows = await members.page(session, principal, organization_id, place.begin(LIST), place.limit + 1)
    rows, last = cut(rows, place.limit)
    items = [Member.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=place.following(LIST, last.user_id if last else None))


@router.patch("/organizations/{organization_id}/members/{user_id}")
async def change_member(
    organization_id: UUID, user_id: UUID, body: ChangeMember, principal: Writer, session: Session
) -> Member:
    """Give a member another role; it holds in every process within seconds."""
    return Member.model_validate(await members.change_role(session, principal, organization_id, user_id, body.role))


@router.delete("/organizations/{organization_id}/members/{user_id}", status_code=204)
async def remove_member(organization_id: UUID, user_id: UUID, user: CurrentUser, session: Session) -> None:
    """Take somebody out of the organisation, or leave it yourself."""
    principal = user.principal
    if user_id != user.user_id and not principal.may("members:write"):
        raise errors.Forbidden("forbidden", "This needs the permission members:write.")
    await members.remove(session, principal, organization_id, user_id)
