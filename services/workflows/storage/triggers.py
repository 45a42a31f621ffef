"""Triggers, and the firings that keep each slot or event from starting a second run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import firing, trigger, workflow, workflow_version
from shared import ids
from shared.testing import faults


async def upsert(session: AsyncSession, values: dict[str, Any]) -> Any:
    """Store the one trigger of a workflow; answers its id, its revision, one higher than before, and its `after_id`,
    which it keeps once it has one.
    """
    statement = insert(trigger).values(revision=1, **values)
    changed: dict[str, Any] = {
        name: statement.excluded[name] for name in ("type", "spec", "active", "anchored_at", "next_at")
    }
    changed["after_id"] = sa.func.coalesce(trigger.c.after_id, statement.excluded.after_id)
    statement = statement.on_conflict_do_update(
        index_elements=["workflow_id"], set_={**changed, "revision": trigger.c.revision + 1}
    )
    return (await session.execute(statement.returning(trigger.c.id, trigger.c.revision, trigger.c.after_id))).one()


async def of_workflow(session: AsyncSession, workflow_id: UUID) -> Any | None:
    """The trigger of a workflow, or None."""
    return (await session.execute(sa.select(trigger).where(trigger.c.workflow_id == workflow_id))).first()


async def listening(session: AsyncSession, after: UUID | None, limit: int) -> list[Any]:
    """What triggers listen for, by the id that it is reported under, two rows for an absence after something.

    Each is (id, organization_id, workflow_id, revision, match, active).
    """
    shared = (trigger.c.organization_id, trigger.c.workflow_id, trigger.c.revision)
    armed = trigger.c.spec["after"]
    waiting = sa.and_(trigger.c.active, armed.is_not(None)).label("active")
    both = sa.union_all(
        sa.select(trigger.c.id, *shared, trigger.c.spec["match"].label("match"), trigger.c.active).where(
            trigger.c.type.in_(("event", "absence", "hook"))
        ),
        sa.select(trigger.c.after_id.label("id"), *shared, armed.label("match"), waiting).where(
            trigger.c.after_id.is_not(None)
        ),
    ).subquery()
    statement = sa.select(both).order_by(both.c.id).limit(limit)
    if after is not None:
        statement = statement.where(both.c.id > after)
    return list(await session.execute(statement))


async def matched(session: AsyncSession, trigger_ids: list[UUID]) -> dict[UUID, Any]:
    """Active triggers by id and `after_id`, each with its workflow's present version and definition.

    Nobody switches the workflows off before the transaction that starts their runs has ended.
    """
    statement = (
        sa.select(trigger, workflow.c.version, workflow_version.c.definition)
        .join(workflow, workflow.c.id == trigger.c.workflow_id)
        .join(
            workflow_version,
            sa.and_(workflow_version.c.workflow_id == workflow.c.id, workflow_version.c.version == workflow.c.version),
        )
        .where(
            sa.or_(trigger.c.id.in_(trigger_ids), trigger.c.after_id.in_(trigger_ids)),
            trigger.c.active,
            workflow.c.active,
            workflow.c.deleted_at.is_(None),
        )
        .with_for_update(of=workflow, read=True)
    )
    return {place: row for row in await session.execute(statement) for place in (row.id, row.after_id)}


async def fire_all(
    session: AsyncSession, trigger_id: UUID, slots: Mapping[str, UUID], *, organization_id: UUID, at: datetime
) -> list[str]:
    """Take slots, each for a run; answers those that were not taken before."""
    if faults.active("timers-unlocked"):
        taken = [await fire(session, trigger_id, slot, organization_id=organization_id, run_id=run_id, at=at)
                 for slot, run_id in slots.items()]  # fmt: skip
        return [slot for slot, free in zip(slots, taken, strict=True) if free]
    rows = [
        {"trigger_id": trigger_id, "slot": slot, "organization_id": organization_id, "run_id": run_id, "fired_at": at}
        for slot, run_id in slots.items()
    ]
    statement = insert(firing).on_conflict_do_nothing().returning(firing.c.slot)
    return list((await session.execute(statement, rows)).scalars())


async def fire(
    session: AsyncSession, trigger_id: UUID, slot: str, *, organization_id: UUID, run_id: UUID | None, at: datetime
) -> bool:
    """Take a slot; False when it was taken before."""
    if faults.active("timers-unlocked"):
        slot = f"{slot}#{ids.new()}"
    statement = (
        insert(firing)
        .values(trigger_id=trigger_id, slot=slot, organization_id=organization_id, run_id=run_id, fired_at=at)
        .on_conflict_do_nothing()
        .returning(firing.c.slot)
    )
    return (await session.execute(statement)).first() is not None
