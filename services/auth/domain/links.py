"""Links that work once: made for one purpose and person, kept as digests."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain.emails import Address
from services.auth.storage import onetime
from shared import clock, crypto, errors
from shared.database import Database

LIFETIMES = {"verify": timedelta(days=1), "reset": timedelta(hours=1), "change": timedelta(days=1)}


async def make(
    session: AsyncSession, purpose: str, user_id: UUID, address: Address, *, session_id: UUID | None = None
) -> str:
    """A fresh token for `verify`, `reset` or `change`; earlier ones of the same purpose stop working."""
    token = crypto.random_token()
    await onetime.insert(
        session,
        digest=crypto.digest(token),
        user_id=user_id,
        purpose=purpose,
        email=address.text,
        email_key=address.key,
        expires_at=clock.now() + LIFETIMES[purpose],
        session_id=session_id,
    )
    return token


async def take(session: AsyncSession, token: str, *purposes: str) -> Any:
    """Uses a token up; raises BadRequest `invalid-token`."""
    found = await onetime.take(session, crypto.digest(token), purposes, clock.now())
    if found is None:
        raise useless()
    return found


def useless() -> errors.BadRequest:
    """The one answer for links that do not work."""
    return errors.BadRequest("invalid-token", "The link was used, has expired or is not ours.")


async def purge(database: Database) -> None:
    """Forgets expired links."""
    async with database.system() as session:
        await onetime.purge(session, clock.now())
