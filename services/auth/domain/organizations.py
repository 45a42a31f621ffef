"""Organisations: what people belong to and everything else belongs to."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain.context import Context
from services.auth.storage import organizations as rows
from shared import errors
from shared.identity import Principal


async def list_visible(context: Context, principal: Principal) -> list[Any]:
    """Every organisation of a person with the role there; of an API key its own."""
    if principal.user_id is None:
        async with context.database.session(principal.organization_id) as session:
            return [await find(session, principal, principal.organization_id)]
    async with context.database.system() as session:
        return await rows.list_of_user(session, principal.user_id)


async def find(session: AsyncSession, principal: Principal, organization_id: UUID, *, lock: bool = False) -> Any:
    """The caller's organisation; NotFound for any other, whatever the caller is there."""
    own = organization_id == principal.organization_id
    found = await rows.find(session, organization_id, lock=lock) if own else None
    if found is None:
        raise errors.NotFound()
    return found
