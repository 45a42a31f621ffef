"""Why there is no suggestion yet: a sentence that says what is missing instead of an empty list."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.mining.options import DEFAULT
from services.events.storage import history, stats, suggestions


async def explain(session: AsyncSession, organization_id: UUID) -> str | None:
    """The sentence; None where there are suggestions, of whatever status."""
    if await suggestions.page(session, organization_id, limit=1):
        return None
    days = await stats.sums(session, organization_id, "total", by="day", span=(None, None), limit=DEFAULT.min_days)
    return _missing(len(days)) or _found(await history.summary(session, organization_id) or {})


def _missing(days: int) -> str | None:
    if not days:
        return "Nothing yet: no activity has been recorded."
    more = DEFAULT.min_days - days
    return f"Nothing yet: {more} more {'day' if more == 1 else 'days'} of activity." if more > 0 else None


def _found(told: dict[str, Any]) -> str:
    """What the last mining said of itself, in words."""
    if not told:
        return "Nothing yet: nobody has looked since. POST /patterns/mine looks now."
    if told["held"]:
        return f"Nothing new this week: {told['held']} more wait, for nobody is told more than the weekly number."
    if told["patterns"]:
        return f"{told['patterns']} patterns repeat, but none of them would save time if it were automated."
    return (
        f"Nothing yet: in {told['events']} events nothing repeats more often than chance explains. A routine shows "
        f"after {DEFAULT.min_support} runs on {DEFAULT.min_days} days."
    )
