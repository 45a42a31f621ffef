"""What people do with their own account."""

from typing import Any

from services.auth.domain.context import Context
from services.auth.domain.people import Person
from services.auth.storage import accounts as rows
from shared import errors


async def me(context: Context, person: Person) -> Any:
    """The account behind a session."""
    async with context.database.system() as session:
        found = await rows.find(session, person.user_id)
    if found is None:
        raise errors.Unauthorized("invalid-token", "The account is gone.")
    return found


async def rename(context: Context, person: Person, name: str) -> None:
    """Changes the name that others see."""
    async with context.database.system() as session:
        await rows.update(session, person.user_id, name=name)
