"""What is recorded under a person's id, for the archive that auth puts together."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from services.events.domain import exports
from shared import webapp
from shared.deps import ServiceDep, called_by
from shared.servicetokens import Caller

routes = webapp.internal_router()


@routes.get("/people/{user_id}")
async def list_of_person(
    user_id: UUID,
    service: ServiceDep,
    _caller: Annotated[Caller, called_by("auth")],
    organization_id: Annotated[UUID, Query()],
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """{"items": [events whose actor is the person], "next"}."""
    items, following = await exports.of_actor(service.database, organization_id, str(user_id), after)
    return {"items": items, "next": following}
