"""Erasure: an organisation that is gone, batch by batch; a person who is, wherever they are named."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage import erasure, runs
from shared import clock
from shared.database import Database

# As long as a token of the organisation may live; what it still makes goes too.
LINGER = timedelta(minutes=5)


async def ask(session: AsyncSession, organization_id: UUID) -> None:
    """End everything of an organisation at once; its rows go as workers find time."""
    await erasure.ask(session, organization_id, clock.now())
    await runs.cancel(session, organization_id, erasure.is_any())


async def forget_user(session: AsyncSession, user_id: UUID, organizations: list[UUID]) -> None:
    """Keep no trace of a person in organisations that live on; their workflows belong to those."""
    await erasure.forget(session, f"user:{user_id}", organizations)


async def erase(database: Database) -> int:
    """Delete a batch of each organisation that is gone; answers how many rows."""
    async with database.system() as session:
        asked = await erasure.asked(session)
    total = 0
    for organization_id, asked_at in asked:
        async with database.system() as session:
            erased = await erasure.erase(session, organization_id)
            if not erased and asked_at < clock.now() - LINGER:
                await erasure.close(session, organization_id)
        total += erased
    return total
