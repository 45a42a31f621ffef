"""Rotation of the keys that sign access tokens, for the operator, who holds auth's own key."""

from services.auth.deps import ContextDep
from shared import webapp
from shared.deps import called_by

router = webapp.internal_router()


@router.post("/signing-keys", status_code=201, dependencies=[called_by("auth")])
async def rotate(context: ContextDep) -> dict[str, str]:
    """Make the next key: shown at once, signing ten seconds later, the old ones shown until their tokens are over."""
    return {"kid": await context.keys.rotate()}
