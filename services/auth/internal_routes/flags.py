"""Overrides of feature flags, for every process."""

from typing import Any

from services.auth.deps import ContextDep
from services.auth.domain import flags
from shared import webapp
from shared.deps import called_by
from shared.messages import SERVICES

router = webapp.internal_router()


@router.get("/flags", dependencies=[called_by(*SERVICES)])
async def list_flags(context: ContextDep) -> dict[str, Any]:
    """{"items": [{name, enabled, percentage, organizations, users}]}."""
    return {"items": await flags.list_overrides(context.database)}
