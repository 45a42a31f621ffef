"""The catalogue of connectors."""

from functools import cache
from typing import Annotated

from fastapi import Response

from services.integrations.deps import DeskDep
from services.integrations.domain import catalog
from services.integrations.domain.catalog import Catalog
from services.integrations.schemas.integrations import ConnectorView
from shared import webapp
from shared.deps import allow
from shared.identity import Principal
from shared.pagination import Page

router = webapp.router(tags=["connectors"])


@router.get("/connectors", response_model=Page[ConnectorView])
async def list_connectors(desk: DeskDep, _principal: Annotated[Principal, allow("integrations:read")]) -> Response:
    """Every connector with the schemas of its settings and actions."""
    return Response(_render(desk.catalog), media_type="application/json")


@cache
def _render(known: Catalog) -> bytes:
    """The answer, which is the same for everybody for as long as the process lives; to make it takes long."""
    items = [ConnectorView.model_validate(catalog.describe(kind)) for kind in known.all()]
    return Page(items=items).model_dump_json().encode()
