"""Invitations to the caller's organisation, and the caller's answer to one."""

from typing import Annotated
from uuid import UUID

from services.auth.deps import ContextDep, CurrentUser, PlaceDep
from services.auth.domain import emails, invitations
from services.auth.schemas.organizations import AcceptInvitation, Invitation, NewInvitation, Organization
from shared import webapp
from shared.deps import Session, allow
from shared.identity import Principal
from shared.pagination import Page, cut

router = webapp.router(tags=["organizations"])
Writer = Annotated[Principal, allow("invitations:write")]
LIST = "invitations"


@router.post("/organizations/invitations/accept")
async def accept_invitation(body: AcceptInvitation, context: ContextDep, user: CurrentUser) -> Organization:
    """Join the organisation that invited your address; switch to it to work there."""
    return Organization.model_validate(await invitations.accept(context, user, body.token))


@router.post("/organizations/{organization_id}/invitations", status_code=201)
async def invite(
    organization_id: UUID,
    body: NewInvitation,
    context: ContextDep,
    user: CurrentUser,
    _principal: Writer,
    session: Session,
) -> Invitation:
    """Write an invitation to an address."""
    email = emails.parse(body.email)
    made = await invitations.invite(context, session, user, organization_id, email, role=body.role)
    return Invitation.model_validate(made)


@router.get("/organizations/{organization_id}/invitations")
async def list_invitations(
    organization_id: UUID, principal: Writer, session: Session, place: PlaceDep
) -> Page[Invitation]:
    """Invitations, the newest first."""
    rows = await invitations.page(session, principal, organization_id, place.begin(LIST), place.limit + 1)
    rows, last = cut(rows, place.limit)
    items = [Invitation.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=place.following(LIST, last.id if last else None))


@router.delete("/organizations/{organization_id}/invitations/{invitation_id}", status_code=204)
async def withdraw_invitation(organization_id: UUID, invitation_id: UUID, principal: Writer, session: Session) -> None:
    """Make a waiting invitation useless."""
    await invitations.withdraw(session, principal, organization_id, invitation_id)
