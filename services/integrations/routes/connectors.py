"""The catalogue of connectors."""

from typing import Annotated

from services.integrations.deps import DeskDep
from services.integrations.domain import catalog
from services.integrations.schemas.integrations import ConnectorView
from shared import webapp
from shared.deps import allow
from shared.identity import Principal
from shared.pagination import Page

router = webapp.router(tags=["connectors"])


@router.get("/connectors")
async def list_connectors(
    desk: DeskDep, _principal: Annotated[Principal, allow("integrations:read")]
) -> Page[ConnectorView]:
    """Every connector with the schemas of its settings and actions."""
    return Page(items=[ConnectorView.model_validate(catalog.describe(kind)) for kind in desk.catalog.all()])
