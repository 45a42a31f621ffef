"""Counts of events."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel

from services.events.domain import stats
from shared import webapp
from shared.deps import Session, allow
from shared.identity import Principal

routes = webapp.router(tags=["stats"])


class DayCount(BaseModel):
    """Events of one day of `time`, in UTC."""

    day: date
    count: int


class TypeCount(BaseModel):
    """Events of one type."""

    type: str
    count: int


class ActorCount(BaseModel):
    """Events of one actor."""

    actor: str
    count: int


class Stats(BaseModel):
    """Counts; the thousand largest of types and actors. They follow the log within a second or two."""

    total: int
    by_day: list[DayCount]
    by_type: list[TypeCount]
    by_actor: list[ActorCount]


@routes.get("/stats")
async def get_stats(
    session: Session,
    principal: Annotated[Principal, allow("events:read")],
    first: date | None = None,
    last: date | None = None,
) -> Stats:
    """Counts by day, type and actor, over the days from `first` to `last`."""
    return Stats.model_validate(await stats.summarise(session, principal.organization_id, first, last))
