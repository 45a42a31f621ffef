"""How an organisation wants its events to be mined: whose clock, how many make a team, how often and where to tell."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.mining import options
from services.events.storage import preferences
from shared import clock, errors

DEFAULT: dict[str, Any] = {
    "zone": "UTC",
    "zones": {},
    "least_actors": options.DEFAULT.least_actors,
    "suggestions_per_week": 7,
    "alert_channel": None,
}


async def read(session: AsyncSession, organization_id: UUID) -> dict[str, Any]:
    """{zone, zones: {actor: zone}, least_actors, suggestions_per_week, alert_channel}."""
    return {**DEFAULT, **await preferences.get(session, organization_id)}


async def write(session: AsyncSession, organization_id: UUID, chosen: dict[str, Any]) -> None:
    """Replaces them; the next mining follows. Raises Invalid for a zone that nobody knows."""
    for pointer, name in (
        ("/zone", chosen["zone"]),
        *((f"/zones/{key}", zone) for key, zone in chosen["zones"].items()),
    ):
        _check(pointer, name)
    await preferences.put(session, organization_id, chosen, clock.now())


def _check(pointer: str, name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise errors.invalid_field(pointer, "Must be a time zone of the tz database, such as Europe/Oslo.") from None
