"""Organisations of the caller."""

from typing import Annotated
from uuid import UUID

from services.auth.deps import ContextDep, CurrentUser, PlatformAdmin
from services.auth.domain import members, organizations
from services.auth.schemas.organizations import ChangeOrganization, NewOrganization, Organization, Status, Transfer
from shared import webapp
from shared.deps import CurrentPrincipal, Session, allow
from shared.identity import Principal
from shared.pagination import Page

router = webapp.router(tags=["organizations"])
Reader = Annotated[Principal, allow("organization:read")]
Writer = Annotated[Principal, allow("organization:write")]
Owner = Annotated[Principal, allow("organization:delete")]
Giver = Annotated[Principal, allow("organization:transfer")]


@router.get("/organizations")
async def list_organizations(context: ContextDep, principal: CurrentPrincipal) -> Page[Organization]:
    """The organisations you belong to, with your role there."""
    found = await organizations.list_visible(context, principal)
    return Page(items=[Organization.model_validate(row) for row in found])


@router.post("/organizations", status_code=201)
async def create_organization(body: NewOrganization, context: ContextDep, user: CurrentUser) -> Organization:
    """Make an organisation that you own; switch to it to work there."""
    made = await organizations.create(context, user, body.name)
    return Organization.model_validate(made).model_copy(update={"role": "owner"})


@router.get("/organizations/{organization_id}")
async def get_organization(organization_id: UUID, principal: Reader, session: Session) -> Organization:
    """The organisation that your token is for."""
    return _shown(await organizations.find(session, principal, organization_id), principal)


@router.patch("/organizations/{organization_id}")
async def change_organization(
    organization_id: UUID, body: ChangeOrganization, principal: Writer, session: Session
) -> Organization:
    """Rename the organisation."""
    return _shown(await organizations.rename(session, principal, organization_id, body.name), principal)


@router.delete("/organizations/{organization_id}", status_code=204)
async def delete_organization(organization_id: UUID, principal: Owner, session: Session) -> None:
    """End the organisation, with everything of it in every service."""
    await organizations.delete(session, principal, organization_id)


@router.post("/organizations/{organization_id}/transfer", status_code=204)
async def transfer_organization(organization_id: UUID, body: Transfer, principal: Giver, session: Session) -> None:
    """Make another member owner in your place; you stay as administrator."""
    await members.transfer(session, principal, organization_id, body.user_id)


@router.put("/organizations/{organization_id}/status", status_code=204)
async def set_organization_status(
    organization_id: UUID, body: Status, context: ContextDep, principal: PlatformAdmin
) -> None:
    """Switch any organisation on or off, as platform administrator."""
    await organizations.set_active(context, principal, organization_id, active=body.active)


def _shown(row: object, principal: Principal) -> Organization:
    return Organization.model_validate(row).model_copy(update={"role": principal.role})
