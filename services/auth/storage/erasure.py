"""What would still name a person whose account is gone."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage.tables import api_key, flag_override, invitation

NOBODY = UUID(int=0)
DELETED = "user:deleted"


async def forget(session: AsyncSession, user_id: UUID, email_key: str) -> None:
    """Drops invitations of the address, and takes the id off what the person made or was singled out for."""
    await session.execute(sa.delete(invitation).where(invitation.c.email_key == email_key))
    await session.execute(sa.update(invitation).filter_by(invited_by=user_id).values(invited_by=NOBODY))
    await session.execute(sa.update(api_key).filter_by(created_by=f"user:{user_id}").values(created_by=DELETED))
    await session.execute(sa.update(flag_override).filter_by(updated_by=f"user:{user_id}").values(updated_by=DELETED))
    singled_out = sa.func.array_remove(flag_override.c.users, user_id)
    named = sa.literal(user_id) == sa.any_(flag_override.c.users)
    await session.execute(sa.update(flag_override).where(named).values(users=singled_out))
