"""The audit log of the caller's organisation."""

from typing import Annotated

from fastapi import Query

from services.auth.deps import PlaceDep
from services.auth.domain import audit
from services.auth.schemas.audit import AuditEntry
from shared import webapp
from shared.deps import Session, allow
from shared.identity import Principal
from shared.pagination import Page, cut

router = webapp.router(tags=["audit-log"])
Reader = Annotated[Principal, allow("audit:read")]
Filter = Annotated[str | None, Query(max_length=200)]


@router.get("/audit-log")
async def list_audit_log(
    principal: Reader,
    session: Session,
    place: PlaceDep,
    *,
    actor: Filter = None,
    action: Filter = None,
    target: Filter = None,
) -> Page[AuditEntry]:
    """Who did what, the newest first; filters are exact."""
    filters = {name: value for name, value in (("actor", actor), ("action", action), ("target", target)) if value}
    scope = f"audit-log|{sorted(filters.items())}"
    rows = await audit.page(session, principal.organization_id, place.begin(scope), place.limit + 1, filters)
    rows, last = cut(rows, place.limit)
    items = [AuditEntry.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=place.following(scope, last.id if last else None))
