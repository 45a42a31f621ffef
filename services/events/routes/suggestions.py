"""Suggestions, and what becomes of them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.events.deps import PagesDep
from services.events.domain import suggestions
from services.events.schemas.patterns import Applied, Status, SuggestionOut, Suggestions
from shared import keyed
from shared.deps import ServiceDep, allow
from shared.flags import NEXT_ACTION_RANK, PEER_HABITS, Flags
from shared.identity import Principal

routes = keyed.router(tags=["suggestions"])

Reader = Annotated[Principal, allow("patterns:read")]
Writer = Annotated[Principal, allow("patterns:write")]


@routes.get("/suggestions")
async def list_suggestions(
    service: ServiceDep,
    principal: Reader,
    pages: PagesDep,
    status: Status | None = None,
    actor: Annotated[str | None, Query(min_length=1, max_length=255)] = None,
) -> Suggestions:
    """Suggestions, those that save most first, and for an `actor` those whose first step they are likely to take next;
    `explanation` says why there are none."""
    who = {"organization_id": principal.organization_id, "user_id": principal.user_id}
    flags = service.part(Flags)
    actor = actor if actor is not None and flags.enabled(NEXT_ACTION_RANK, **who) else None
    scope = f"suggestions:{status}:{actor}"
    peers = actor is not None and flags.enabled(PEER_HABITS, **who)
    wanted = suggestions.Wanted(status, pages.below(scope), pages.limit, actor, peers)
    found, reason = await suggestions.page(service, principal.organization_id, wanted)
    cut = pages.cut(found, scope, suggestions.sort_key)
    return Suggestions.model_validate({**cut, "explanation": reason})


@routes.get("/suggestions/{suggestion_id}")
async def get_suggestion(service: ServiceDep, principal: Reader, suggestion_id: UUID) -> SuggestionOut:
    """One suggestion."""
    return SuggestionOut.model_validate(await suggestions.get(service, principal.organization_id, suggestion_id))


@routes.post("/suggestions/{suggestion_id}/apply", status_code=201, responses={200: {"model": Applied}})
async def apply_suggestion(
    service: ServiceDep,
    principal: Annotated[Principal, allow("workflows:write")],
    suggestion_id: UUID,
    response: Response,
) -> Applied:
    """Makes the suggestion's workflow, inactive until somebody activates it, and a dry run of it to look at first;
    `missing` says what to connect. Again: 200 and the same ids; while nobody has changed the workflow or switched it
    on, it follows what is connected by now."""
    organization_id, user_id = principal.organization_id, principal.user_id
    made = await suggestions.apply(service, organization_id, suggestion_id, user_id)
    response.status_code = 201 if made.first else 200
    return Applied(workflow_id=made.workflow_id, dry_run_id=made.dry_run_id, missing=made.missing)


@routes.post("/suggestions/{suggestion_id}/dismiss", status_code=204)
async def dismiss_suggestion(service: ServiceDep, principal: Writer, suggestion_id: UUID) -> None:
    """It stays dismissed, however often the pattern is found again."""
    await suggestions.mark(service, principal.organization_id, suggestion_id, "dismissed", principal.user_id)


@routes.post("/suggestions/{suggestion_id}/bookmark", status_code=204)
async def bookmark_suggestion(service: ServiceDep, principal: Writer, suggestion_id: UUID) -> None:
    """Keeps it for later."""
    await suggestions.mark(service, principal.organization_id, suggestion_id, "bookmarked", principal.user_id)
