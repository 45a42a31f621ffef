"""Requests with an Idempotency-Key take effect once, in the transaction of their effect."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.storage.tables import idempotency_key
from shared import idempotency
from shared.idempotency import Answer


async def once(
    session: AsyncSession,
    organization_id: UUID,
    *,
    route: str,
    key: str | None,
    request: object,
    produce: Callable[[], Awaitable[tuple[int, Any]]],
) -> Answer:
    """As `shared.idempotency.run`, on this service's table."""
    return await idempotency.run(
        session,
        idempotency_key,
        organization_id=organization_id,
        route=route,
        key=key,
        request=request,
        produce=produce,
    )
