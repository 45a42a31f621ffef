"""What stands under a person's id, for the archive that auth puts together."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from services.workflows.domain import people
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
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """{"items": [{kind, id, at, …}], "next"}."""
    async with service.database.session(organization_id) as session:
        items, following = await people.page(session, organization_id, user_id, after)
    return {"items": items, "next": following}
