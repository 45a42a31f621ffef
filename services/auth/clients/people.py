"""What siblings know about a person, page by page."""

from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

from shared.httpclient import Siblings


async def pages(
    siblings: Siblings, service: str, user_id: UUID, organizations: Iterable[UUID]
) -> AsyncIterator[list[Any]]:
    """Items of one service, organisation after organisation; raises Unavailable when it does not answer."""
    for organization_id in organizations:
        query = {"organization_id": str(organization_id)}
        while True:
            answer = await siblings.call(service, "GET", f"/internal/people/{user_id}", query=query)
            yield answer["items"]
            if answer["next"] is None:
                break
            query["after"] = answer["next"]
