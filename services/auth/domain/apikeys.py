"""API keys: shown once, kept as digests, belonging to an organisation rather than to who made them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit, revocations
from services.auth.storage import apikeys as rows
from shared import clock, crypto, errors, ids
from shared.database import Database
from shared.identity import KEY_PREFIX, Principal


async def make(
    session: AsyncSession,
    organization_id: UUID,
    actor: str,
    *,
    name: str,
    scopes: list[str],
    expires_at: datetime | None = None,
) -> tuple[UUID, str]:
    """The id and the key, which nobody can read again."""
    key_id, key = ids.new(), KEY_PREFIX + crypto.random_token()
    if expires_at is not None and expires_at <= clock.now():
        raise errors.invalid_field("/expires_at", "Must lie ahead.")
    await rows.insert(
        session,
        id=key_id,
        organization_id=organization_id,
        name=name,
        digest=crypto.digest(key),
        scopes=scopes,
        created_by=actor,
        created_at=clock.now(),
        expires_at=expires_at,
    )
    await audit.record(session, organization_id, actor, "api_key.created", str(key_id), scopes=scopes)
    return key_id, key


async def page(session: AsyncSession, organization_id: UUID, before: UUID | None, limit: int) -> list[Any]:
    """Keys of an organisation, the newest first, without what they are."""
    return await rows.page(session, organization_id, before, limit)


async def find(session: AsyncSession, organization_id: UUID, key_id: UUID) -> Any:
    """One key; raises NotFound."""
    found = await rows.find(session, organization_id, key_id)
    if found is None:
        raise errors.NotFound()
    return found


async def delete(session: AsyncSession, principal: Principal, key_id: UUID) -> None:
    """Ends a key in every process; raises NotFound."""
    if not await rows.delete(session, principal.organization_id, key_id):
        raise errors.NotFound()
    await audit.record(session, principal.organization_id, principal.subject, "api_key.deleted", str(key_id))
    await revocations.revoke(session, "api_key", key_id)


async def note_use(database: Database, keys: Collection[UUID]) -> None:
    """Takes down that keys were used within the last seconds; unknown ones are nothing to note."""
    async with database.system() as session:
        await rows.note_use(session, sorted(keys), clock.now())


async def look_up(database: Database, digest: str) -> dict[str, Any] | None:
    """{id, organization_id, scopes, expires_at} of a living key by its SHA-256 in hexadecimal."""
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        return None
    async with database.system() as session:
        row = await rows.find_by_digest(session, raw)
    if row is None or (row.expires_at and row.expires_at <= clock.now()):
        return None
    return {
        "id": str(row.id),
        "organization_id": str(row.organization_id),
        "scopes": row.scopes,
        "expires_at": row.expires_at.timestamp() if row.expires_at else None,
    }
