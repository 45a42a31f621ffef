"""Sessions: started by a login, continued by refresh tokens that rotate, ended on every sign of theft."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit, revocations, tokens
from services.auth.domain.context import Context
from services.auth.domain.people import Person
from services.auth.domain.signingkeys import SigningKey
from services.auth.storage import organizations as standings
from services.auth.storage import sessions as rows
from shared import clock, errors, ids, tracing
from shared.identity import Principal

GRACE = timedelta(seconds=10)
SEEN_PRECISION = timedelta(minutes=1)
KEEP_ENDED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session was started, as far as the request tells."""

    user_agent: str
    address: str


async def start(
    context: Context,
    session: AsyncSession,
    signing: SigningKey,
    *,
    user_id: UUID,
    organization_id: UUID,
    device: Device,
    expires_at: datetime | None = None,
) -> tokens.Pair:
    """Opens a session of a person in an organisation; NotFound unless both are active and the person is a member."""
    now = clock.now()
    session_id, refresh = ids.new(), tokens.new_refresh()
    expires_at = expires_at or now + context.settings.session_lifetime
    standing = await rows.open(
        session,
        id=session_id,
        user_id=user_id,
        organization_id=organization_id,
        user_agent=device.user_agent,
        address=device.address,
        now=now,
        expires_at=expires_at,
        digest=tokens.refresh_digest(refresh),
        salt=ids.new().bytes,
        idle_until=min(now + context.settings.refresh_idle, expires_at),
    )
    return _pair(context, signing, standing, tokens.Place(user_id, organization_id, session_id), refresh)


async def log_in(context: Context, signing: SigningKey, account: Any, device: Device) -> tokens.Pair | None:
    """Opens a session of somebody whose password fits and who has no second factor, in one round trip.

    None when something has changed or is to be asked. The token is dated before the look at the person's standing, so
    that a revocation after it is younger than the token, although no lock is held when the token is made.
    """
    dated, now = time.time(), clock.now()
    session_id, token = ids.new(), tokens.new_refresh()
    expires_at = now + context.settings.session_lifetime
    started = (session_id, device.user_agent, device.address, now, expires_at)
    continued = (tokens.refresh_digest(token), ids.new().bytes, min(now + context.settings.refresh_idle, expires_at))
    noted = (ids.new(), tracing.trace_id(), tracing.address())
    found = await rows.log_in(context.database, account.id, account.password_hash, *started, *continued, *noted)
    if found is None:
        return None
    bearer = tokens.Bearer(account.id, found["id"], session_id, found["role"], found["platform_admin"])
    access = tokens.mint(context.settings, signing, bearer, at=dated)
    return tokens.Pair(access, token, context.settings.access_seconds, found["id"])


async def refresh(context: Context, presented: str) -> tokens.Pair:
    """Exchanges a refresh token for the next pair.

    The newest token's immediate parent gets the same next token again for ten seconds, because answers get lost; any
    other replay is theft, and ends the session with every token of it.
    """
    signing = await context.keys.current()
    try:
        async with context.database.system() as session:
            pair = await _exchange(context, session, signing, presented)
    except errors.NotFound:
        raise _invalid() from None  # the membership ended, or somebody was switched off
    if pair is None:
        raise errors.Unauthorized("token-reuse", "This refresh token was used before; the session is over.")
    return pair


async def _exchange(context: Context, session: AsyncSession, signing: SigningKey, presented: str) -> tokens.Pair | None:
    """The next pair, or None when the session had to be ended for reuse."""
    digest = tokens.refresh_digest(presented)
    found = await rows.find_refresh(session, digest)
    family = await rows.lock(session, found.session_id) if found else None
    token = await rows.find_refresh(session, digest) if family else None
    now = clock.now()
    if family is None or token is None or family.ended_at or min(family.expires_at, token.expires_at) <= now:
        raise _invalid()
    following = tokens.child_of(context.settings.secret_key.get_secret_value(), presented, token.salt)
    if token.used_at is None:
        await rows.mark_used(session, digest, child=tokens.refresh_digest(following), now=now)
        await _insert_refresh(context, session, following, family.id, family.expires_at)
    elif not await _is_in_grace(session, token, now):
        await close(session, family.user_id, reason="token-reuse", only=family.id)
        await audit.record(
            session, family.active_organization_id, audit.user(family.user_id), "session.reuse_detected", str(family.id)
        )
        return None
    if now - family.seen_at > SEEN_PRECISION:
        await rows.update(session, family.id, seen_at=now)
        await rows.forget_expired(session, family.id, now)
    standing = await standings.standing(session, family.user_id, family.active_organization_id)
    place = tokens.Place(family.user_id, family.active_organization_id, family.id)
    return _pair(context, signing, standing, place, following)


async def _is_in_grace(session: AsyncSession, token: Any, now: datetime) -> bool:
    if now - token.used_at > GRACE:
        return False
    child = await rows.find_refresh(session, token.child)
    return child is not None and child.used_at is None


async def close(
    session: AsyncSession, user_id: UUID, *, reason: str, only: UUID | None = None, but: UUID | None = None
) -> int:
    """Ends sessions of a person, in every process; returns how many."""
    ended = await rows.end(session, user_id, now=clock.now(), reason=reason, only=only, but=but)
    for row in ended:
        whom = (row.active_organization_id, audit.user(user_id))
        await audit.record(session, *whom, "session.ended", str(row.id), reason=reason)
    await revocations.revoke(session, "session", *(row.id for row in ended))
    return len(ended)


async def logout(context: Context, principal: Principal | None, refresh_token: str | None) -> None:
    """Ends the session of the access token, and that of the refresh token; unknown tokens are nothing to end."""
    async with context.database.system() as session:
        if principal is not None and principal.user_id and principal.session_id:
            await close(session, principal.user_id, reason="logout", only=principal.session_id)
        found = await rows.find_refresh(session, tokens.refresh_digest(refresh_token)) if refresh_token else None
        family = await rows.lock(session, found.session_id) if found else None
        if family is not None:
            await close(session, family.user_id, reason="logout", only=family.id)


async def switch(context: Context, person: Person, organization_id: UUID, device: Device) -> tokens.Pair:
    """A session of the same person in another organisation, which ends no later than the present one."""
    signing = await context.keys.current()
    async with context.database.system() as session:
        present = await rows.lock(session, person.session_id)
        if present is None or present.ended_at:
            raise _invalid()
        await audit.record(session, organization_id, person.principal.subject, "session.started", str(person.user_id))
        return await start(
            context,
            session,
            signing,
            user_id=person.user_id,
            organization_id=organization_id,
            device=device,
            expires_at=present.expires_at,
        )


async def end(context: Context, person: Person, only: UUID | None = None) -> int:
    """Ends one or all of somebody's sessions at their own wish; returns how many."""
    async with context.database.system() as session:
        return await close(session, person.user_id, reason="ended-by-user", only=only)


async def list_open(context: Context, user_id: UUID) -> list[Any]:
    """A person's sessions, the newest first."""
    async with context.database.system() as session:
        return await rows.list_living(session, user_id, clock.now())


async def purge(context: Context) -> None:
    """Forgets sessions that ended long ago, some in each transaction, until none is left."""
    while await _purge_some(context):
        pass


async def _purge_some(context: Context) -> int:
    async with context.database.system() as session:
        return await rows.purge(session, clock.now() - KEEP_ENDED)


async def _insert_refresh(
    context: Context, session: AsyncSession, token: str, session_id: UUID, session_ends: datetime
) -> None:
    await rows.insert_refresh(
        session,
        digest=tokens.refresh_digest(token),
        session_id=session_id,
        salt=ids.new().bytes,
        expires_at=min(clock.now() + context.settings.refresh_idle, session_ends),
    )


def _pair(context: Context, signing: SigningKey, standing: Any, place: tokens.Place, refresh_token: str) -> tokens.Pair:
    """The tokens for somebody whose standing is share-locked."""
    if standing is None:
        raise errors.NotFound("organization-not-found", "You belong to no such organisation.")
    bearer = tokens.Bearer(*place, standing.role, standing.platform_admin)
    access = tokens.mint(context.settings, signing, bearer)
    return tokens.Pair(access, refresh_token, context.settings.access_seconds, place.organization_id)


def _invalid() -> errors.Unauthorized:
    return errors.Unauthorized("invalid-token", "The refresh token is unknown, expired or of an ended session.")
