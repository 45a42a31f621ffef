"""Idempotency keys of this service's routes."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage import tables
from shared import idempotency


async def once(
    session: AsyncSession,
    *,
    organization_id: UUID,
    route: str,
    key: str | None,
    request: object,
    produce: Callable[[], Awaitable[tuple[int, Any]]],
) -> idempotency.Answer:
    """Produce an answer once for each key, in one transaction with its effect."""
    return await idempotency.run(
        session,
        tables.idempotency_key,
        organization_id=organization_id,
        route=route,
        key=key,
        request=request,
        produce=produce,
    )
