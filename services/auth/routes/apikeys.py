"""API keys of the caller's organisation."""

from typing import Annotated
from uuid import UUID

from services.auth.domain import apikeys
from services.auth.schemas.apikeys import ApiKey, CreatedApiKey, NewApiKey
from shared import webapp
from shared.deps import CursorParameter, Limit, ServiceDep, Session, allow
from shared.identity import Principal
from shared.pagination import Page, cut

router = webapp.router(tags=["api-keys"])
LIST = "api-keys"
Reader = Annotated[Principal, allow("api-keys:read")]
Writer = Annotated[Principal, allow("api-keys:write")]


@router.post("/api-keys", status_code=201)
async def create_api_key(body: NewApiKey, principal: Writer, session: Session) -> CreatedApiKey:
    """Make a key; it is shown this once."""
    key_id, key = await apikeys.make(
        session,
        principal.organization_id,
        principal.subject,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
    )
    return CreatedApiKey(id=key_id, key=key)


@router.get("/api-keys")
async def list_api_keys(
    principal: Reader, session: Session, service: ServiceDep, limit: Limit = 50, cursor: CursorParameter = None
) -> Page[ApiKey]:
    """The organisation's keys, the newest first."""
    organization_id = principal.organization_id
    before = None
    if cursor:
        before = UUID(service.cursors.decode(cursor, organization_id=organization_id, scope=LIST)[0])
    rows, last = cut(await apikeys.page(session, organization_id, before, limit + 1), limit)
    following = None
    if last is not None:
        following = service.cursors.encode([str(last.id)], organization_id=organization_id, scope=LIST)
    return Page(items=[ApiKey.model_validate(row) for row in rows], next_cursor=following)


@router.get("/api-keys/{key_id}")
async def get_api_key(key_id: UUID, principal: Reader, session: Session) -> ApiKey:
    """One key, without what it is."""
    return ApiKey.model_validate(await apikeys.find(session, principal.organization_id, key_id))


@router.delete("/api-keys/{key_id}", status_code=204)
async def delete_api_key(key_id: UUID, principal: Writer, session: Session) -> None:
    """End a key, everywhere within seconds."""
    await apikeys.delete(session, principal, key_id)
