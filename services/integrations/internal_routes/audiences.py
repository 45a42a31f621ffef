"""Who listens: lets publishers of frequent facts leave out those that nobody wants."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.integrations.domain import webhooks
from shared import webapp
from shared.deps import SystemSession, called_by
from shared.servicetokens import Caller

router = webapp.internal_router()
PAGE = 1_000


class Audience(BaseModel):
    """Organisations by id; `next` goes on as `after`."""

    items: list[UUID]
    next: UUID | None


@router.get("/audiences/{kind}")
async def list_audience(
    kind: str,
    session: SystemSession,
    _caller: Annotated[Caller, called_by("workflows")],
    after: Annotated[UUID | None, Query()] = None,
) -> Audience:
    """The organisations with an active webhook that wants a type, a thousand at a time."""
    found = await webhooks.audience(session, kind, after, PAGE)
    return Audience(items=found, next=found[-1] if len(found) == PAGE else None)
