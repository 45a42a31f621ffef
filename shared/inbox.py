"""The inbox: messages of siblings arrive here, each applied once."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, errors, tracing
from shared.deps import ServiceDep, called_by
from shared.messages import SERVICES, Handler
from shared.testing.faults import failpoint

# A backlog that arrives all at once, as after an outage, leaves most of the pool to those who wait for an answer.
AT_ONCE = 2


class Envelope(BaseModel):
    """What the relay posts."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    type: str
    version: int
    trace_id: str
    body: dict[str, Any]


def router(inbox: sa.Table, handlers: Mapping[str, Handler]) -> APIRouter:
    """`POST /internal/messages`: effect and inbox row are one commit, so that a repeated delivery changes nothing."""
    routes = APIRouter(include_in_schema=False)
    room = asyncio.Semaphore(AT_ONCE)

    @routes.post("/internal/messages", dependencies=[called_by(*SERVICES)])
    async def receive(envelope: Envelope, service: ServiceDep) -> dict[str, bool]:
        tracing.resume(envelope.trace_id)
        handler = handlers.get(envelope.type)
        if handler is None:
            raise errors.Invalid("unknown-message", f"Nobody here reads {envelope.type}.")
        part = () if handler.part is None else (service.part(handler.part),)
        async with room, service.database.system() as session:
            applied = await _apply_once(session, inbox, envelope, handler, *part)
        return {"applied": applied}

    return routes


async def _apply_once(session: AsyncSession, inbox: sa.Table, envelope: Envelope, handler: Handler, *part: Any) -> bool:
    statement = insert(inbox).values(id=envelope.id, received_at=clock.now()).on_conflict_do_nothing()
    if (await session.execute(statement.returning(inbox.c.id))).first() is None:
        return False
    try:
        reading = handler.reading.model_validate(envelope.body)
    except ValidationError as error:
        raise errors.Invalid("unreadable-message", f"{envelope.type}: {error.error_count()} wrong fields.") from None
    await handler.apply(session, reading, *part)
    failpoint("inbox-before-commit")
    return True
