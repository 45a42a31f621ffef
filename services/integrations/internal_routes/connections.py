"""What an organisation has connected, for those that suggest how to use it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.integrations.domain import integrations
from shared import webapp
from shared.deps import ServiceDep, called_by
from shared.servicetokens import Caller

router = webapp.internal_router()
MOST = 1_000


class Connected(BaseModel):
    """An integration by its name, and whose it is."""

    name: str
    connector: str


class ConnectedList(BaseModel):
    """The newest first."""

    items: list[Connected]


@router.get("/integrations")
async def list_connected(
    service: ServiceDep, _caller: Annotated[Caller, called_by("events")], organization_id: Annotated[UUID, Query()]
) -> ConnectedList:
    """Names and connectors of the organisation's integrations; nothing of settings or secrets."""
    async with service.database.session(organization_id) as session:
        found = await integrations.page(session, organization_id, before=None, connector=None, limit=MOST)
    return ConnectedList(items=[Connected(name=item.name, connector=item.connector) for item in found])
