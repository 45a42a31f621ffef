"""Counts of events."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from services.events.domain import stats
from shared import webapp
from shared.deps import Session, allow
from shared.identity import Principal

routes = webapp.router(tags=["stats"])


def _read_day(text: str) -> date:
    """Only a calendar's day: pydantic also takes a number, for seconds since 1970."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day such as 2026-01-31") from None


Day = Annotated[date, BeforeValidator(_read_day)]


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
    first: Day | None = None,
    last: Day | None = None,
) -> Stats:
    """Counts by day, type and actor, over the days from `first` to `last`."""
    return Stats.model_validate(await stats.summarise(session, principal.organization_id, first, last))
