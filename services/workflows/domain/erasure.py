"""Erasure: an organisation that is gone, batch by batch; a person who is, wherever they are named."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import workflows
from services.workflows.domain.definition import Definition
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
    """Keep no trace of a person in organisations that live on; their workflows belong to those.

    Where they were to approve, the owners do now, so that nothing waits for somebody who will never come.
    """
    for row in await erasure.definitions_naming(session, user_id, organizations):
        definition = without(row.definition, str(user_id))
        await erasure.rewrite_definition(session, row.workflow_id, row.version, definition)
        if row.present:  # workers know versions by heart, so runs to come need another one
            author = workflows.Author(row.organization_id, "user:deleted")
            written = Definition.model_validate(definition)
            await workflows.replace(session, author, row.workflow_id, written, if_match=None)
    await erasure.forget(session, user_id, organizations)


def without(value: Any, user_id: str) -> Any:
    """A definition in which nobody of this id is named: `owner` stands in for an approver, `deleted` elsewhere."""
    if isinstance(value, dict):
        return {
            name: _approvers(item, user_id) if name == "approvers" else without(item, user_id)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [without(item, user_id) for item in value]
    return re.sub(re.escape(user_id), "deleted", value, flags=re.IGNORECASE) if isinstance(value, str) else value


def _approvers(named: Any, user_id: str) -> Any:
    if not isinstance(named, list):
        return without(named, user_id)
    present = ["owner" if isinstance(item, str) and item.lower() == user_id else item for item in named]
    return [item for place, item in enumerate(present) if item not in present[:place]]


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
