"""The public keys of access tokens, at the gateway's root."""

from typing import Any

from fastapi import Response

from services.auth.deps import ContextDep
from shared import webapp

router = webapp.router(prefix="", tags=["auth"])


@router.get("/.well-known/jwks.json")
async def get_jwks(context: ContextDep, response: Response) -> dict[str, Any]:
    """The JSON Web Key Set."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return await context.keys.document()
