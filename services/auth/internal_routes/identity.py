"""What siblings need to verify callers."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from services.auth.deps import ContextDep
from services.auth.domain import apikeys, revocations
from shared import webapp
from shared.deps import called_by
from shared.messages import SERVICES

router = webapp.internal_router()
ANY_SIBLING = [called_by(*SERVICES)]


@router.get("/jwks", dependencies=ANY_SIBLING)
async def get_jwks(context: ContextDep) -> dict[str, Any]:
    """The JSON Web Key Set."""
    return await context.keys.document()


@router.get("/api-keys/{digest}", dependencies=ANY_SIBLING)
async def look_up_api_key(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], context: ContextDep
) -> dict[str, Any]:
    """{"api_key": {id, organization_id, scopes, expires_at} or null}."""
    return {"api_key": await apikeys.look_up(context.database, digest)}


class Uses(BaseModel):
    """API keys by id."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[UUID], Field(max_length=100_000)]


@router.post("/api-keys/uses", status_code=204, dependencies=ANY_SIBLING)
async def note_uses(body: Uses, context: ContextDep) -> None:
    """Keys that were used just now."""
    await apikeys.note_use(context.database, body.ids)


@router.get("/revocations", dependencies=ANY_SIBLING)
async def list_revocations(context: ContextDep, after: int = -1) -> dict[str, Any]:
    """The feed after a position."""
    return await revocations.read(context.database, after)
