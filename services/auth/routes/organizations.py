"""Organisations of the caller."""

from services.auth.deps import ContextDep
from services.auth.domain import organizations
from services.auth.schemas.organizations import Organization
from shared import webapp
from shared.deps import CurrentPrincipal
from shared.pagination import Page

router = webapp.router(tags=["organizations"])


@router.get("/organizations")
async def list_organizations(context: ContextDep, principal: CurrentPrincipal) -> Page[Organization]:
    """The organisations you belong to, with your role there."""
    found = await organizations.list_visible(context, principal)
    return Page(items=[Organization.model_validate(row) for row in found])
