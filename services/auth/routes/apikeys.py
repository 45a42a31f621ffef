"""API keys of the caller's organisation."""

from typing import Annotated
from uuid import UUID

from services.auth.deps import PlaceDep
from services.auth.domain import apikeys
from services.auth.schemas.apikeys import ApiKey, CreatedApiKey, NewApiKey
from shared import webapp
from shared.deps import Session, allow
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
async def list_api_keys(principal: Reader, session: Session, place: PlaceDep) -> Page[ApiKey]:
    """The organisation's keys, the newest first."""
    rows = await apikeys.page(session, principal.organization_id, place.begin(LIST), place.limit + 1)
    rows, last = cut(rows, place.limit)
    items = [ApiKey.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=place.following(LIST, last.id if last else None))


@router.get("/api-keys/{key_id}")
async def get_api_key(key_id: UUID, principal: Reader, session: Session) -> ApiKey:
    """One key, without what it is."""
    return ApiKey.model_validate(await apikeys.find(session, principal.organization_id, key_id))


@router.delete("/api-keys/{key_id}", status_code=204)
async def delete_api_key(key_id: UUID, principal: Writer, session: Session) -> None:
    """End a key, everywhere within seconds."""
    await apikeys.delete(session, principal, key_id)
