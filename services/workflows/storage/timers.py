"""Triggers that time fires, as the workers' sweep sees them: every organisation's."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import trigger, workflow, workflow_version
from shared.database import Database
from shared.testing import faults


async def due(session: AsyncSession, now: datetime, limit: int) -> list[Any]:
    """Triggers that have come due, locked against other workers, with their workflow's present version."""
    statement = (
        sa.select(trigger, workflow.c.version, workflow_version.c.definition)
        .join(workflow, workflow.c.id == trigger.c.workflow_id)
        .join(
            workflow_version,
            sa.and_(workflow_version.c.workflow_id == workflow.c.id, workflow_version.c.version == workflow.c.version),
        )
        .where(trigger.c.next_at <= now, trigger.c.active)
        .order_by(trigger.c.next_at)
        .limit(limit)
    )
    if not faults.active("timers-unlocked"):
        statement = statement.with_for_update(of=trigger, skip_locked=True)
    return list(await session.execute(statement))


async def move(session: AsyncSession, trigger_id: UUID, next_at: datetime | None) -> None:
    """Set when a trigger comes due next."""
    await session.execute(sa.update(trigger).where(trigger.c.id == trigger_id).values(next_at=next_at))


async def arm(session: AsyncSession, trigger_id: UUID, due_at: datetime, state: dict[str, Any]) -> None:
    """Put an absence off to `due_at`, unless it is put off further already."""
    later = sa.or_(trigger.c.next_at.is_(None), trigger.c.next_at < due_at)
    await session.execute(
        sa.update(trigger).where(trigger.c.id == trigger_id, later).values(next_at=due_at, state=state)
    )


async def next_due(database: Database) -> datetime | None:
    """The earliest moment at which any trigger comes due."""
    found: datetime | None = await database.look("SELECT min(next_at) FROM trigger")
    return found
