"""Auth as its own source of identity, without a detour over its internal port."""

from typing import Any
from uuid import UUID

from services.auth.domain import apikeys, revocations
from services.auth.domain.context import Context


class LocalIdentity:
    """What `shared.identity.Verifier` asks."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set in force."""
        return await self._context.keys.document()

    async def api_key(self, digest: str) -> dict[str, Any] | None:
        """What is known of a key, by digest."""
        return await apikeys.look_up(self._context.database, digest)

    async def revocations(self, after: int) -> dict[str, Any]:
        """The feed after a position."""
        return await revocations.read(self._context.database, after)

    async def note_use(self, keys: set[UUID]) -> None:
        """Writes down which API keys were used."""
        await apikeys.note_use(self._context.database, keys)
