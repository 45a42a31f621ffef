"""What absences wait for after something has happened: one row a key, until it is answered or missed. System role.

`settled_at` is the time of the latest event that nothing is waited for any more, so that an event that is reported
twice, or late, begins no waiting anew.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import awaited, trigger
from shared import clock

_EVER: sa.ColumnElement[datetime] = sa.literal_column("'-infinity'::timestamptz")


async def lock(session: AsyncSession, trigger_id: UUID) -> None:
    """Whoever changes what a trigger waits for does it alone, as whoever fires it."""
    await session.execute(sa.select(trigger.c.id).where(trigger.c.id == trigger_id).with_for_update())


async def begin(session: AsyncSession, found: Any, key: str, waiting: Mapping[str, Any]) -> None:
    """Wait for an answer, unless one is waited for already or the event is settled.

    waiting: the event, the time at which it happened as `begun_at`, and when the waiting is over as `due_at`.
    """
    statement = insert(awaited).values(**_place(found, key), **waiting, changed_at=clock.now())
    idle = sa.and_(awaited.c.due_at.is_(None), sa.func.coalesce(awaited.c.settled_at, _EVER) < waiting["begun_at"])
    changed: dict[str, Any] = {name: statement.excluded[name] for name in (*waiting, "changed_at")}
    statement = statement.on_conflict_do_update(index_elements=["trigger_id", "key"], set_=changed, where=idle)
    await session.execute(statement)
    await wake(session, found.id)


async def answer(session: AsyncSession, found: Any, key: str, at: datetime) -> None:
    """Wait no more for what began before; what begins before `at` is settled too, however late it is told."""
    statement = insert(awaited).values(**_place(found, key), settled_at=at, changed_at=clock.now())
    answered = sa.func.coalesce(awaited.c.begun_at, _EVER) <= at
    changed: dict[str, Any] = {
        "settled_at": sa.func.greatest(awaited.c.settled_at, at),
        "changed_at": statement.excluded.changed_at,
        "due_at": sa.case((answered, None), else_=awaited.c.due_at),
        "event": sa.case((answered, None), else_=awaited.c.event),
    }
    await session.execute(statement.on_conflict_do_update(index_elements=["trigger_id", "key"], set_=changed))
    await wake(session, found.id)


async def missed(session: AsyncSession, trigger_id: UUID, now: datetime, limit: int) -> list[dict[str, Any]]:
    """The events that were not answered in time, the earliest first; nothing is waited for after them any more."""
    due = (
        sa.select(awaited.c.trigger_id, awaited.c.key, awaited.c.event)
        .where(awaited.c.trigger_id == trigger_id, awaited.c.due_at <= now)
        .order_by(awaited.c.due_at)
        .limit(limit)
        .with_for_update()
    )
    rows = list(await session.execute(due))
    settled = sa.update(awaited).where(awaited.c.trigger_id == trigger_id, awaited.c.key.in_([row.key for row in rows]))
    at = sa.func.greatest(awaited.c.settled_at, awaited.c.begun_at)
    await session.execute(settled.values(due_at=None, event=None, settled_at=at, changed_at=now))
    await wake(session, trigger_id)
    return [row.event for row in rows]


async def wake(session: AsyncSession, trigger_id: UUID) -> None:
    """Let the trigger come due when the earliest of what it waits for is."""
    earliest = sa.select(sa.func.min(awaited.c.due_at)).where(awaited.c.trigger_id == trigger_id).scalar_subquery()
    await session.execute(sa.update(trigger).where(trigger.c.id == trigger_id).values(next_at=earliest))


async def forget(session: AsyncSession, trigger_id: UUID) -> None:
    """Wait for nothing any more."""
    await session.execute(sa.delete(awaited).where(awaited.c.trigger_id == trigger_id))


def _place(found: Any, key: str) -> dict[str, Any]:
    return {"trigger_id": found.id, "organization_id": found.organization_id, "key": key}
