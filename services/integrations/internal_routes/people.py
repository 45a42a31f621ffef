"""What stands under a person's id, for the archive that auth puts together."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from services.integrations.domain import integrations
from shared import webapp
from shared.deps import ServiceDep, called_by
from shared.servicetokens import Caller

router = webapp.internal_router()


@router.get("/people/{user_id}")
async def list_of_person(
    user_id: UUID,
    service: ServiceDep,
    _caller: Annotated[Caller, called_by("auth")],
    organization_id: Annotated[UUID, Query()],
) -> dict[str, Any]:
    """{"items": [integrations that the person made], "next": null}."""
    async with service.database.session(organization_id) as session:
        return {"items": await integrations.list_of_user(session, organization_id, user_id), "next": None}
